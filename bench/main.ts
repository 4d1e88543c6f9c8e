/**
 * `npm run bench`: what Switchboard costs, in one run on the offline model, and nothing of it left behind: beside what a
 * host has without it, one chat at a time and many at once, over an hour, with a large past beside a small one, and its
 * choice of who makes room. Prints Markdown tables. What is measured, and how, stands in docs/performance.md.
 */

import { mkdtempSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureAccepts } from "./accepts.ts";
import { measureBurst } from "./burst.ts";
import { measureCrowd } from "./crowd.ts";
import { compareEvictions } from "./eviction.ts";
import { measureGateway } from "./gateway.ts";
import { measureLatency } from "./latency.ts";
import { describeMachine } from "./machine.ts";
import { measureMemory } from "./memory.ts";
import { markdown, type Row } from "./report.ts";
import type { Run } from "./run.ts";
import { measureScale } from "./scale.ts";
import { measureSoak, type Soak, soakMarkdown } from "./soak.ts";

const usage = `npm run bench -- [options]          beside the bare Agent SDK and plain SQLite: one, and many
npm run bench -- one [options]      of that, one chat at a time, and accepts
npm run bench -- many [options]     of that, many chats on few processes, and memory
npm run bench -- soak [options]     an hour of load: what grows
npm run bench -- scale [options]    with many chats and messages beside few
npm run bench -- eviction [options] which idle process makes room, beside LRU and the best choice; simulated

of one:
  --live N      messages to a live session (200)
  --resumed N   messages to a resumed session (30)
  --new N       messages to a new session (30)
  --requests N  requests by the gateway (1000)
  --rounds N    turns of each contender for durable accepts, and in all of many (3)
  --slice MS    how long each of these turns is, in ms (1000)

of many:
  --chats N     chats of the crowd (1000)
  --processes N for the crowd (16)
  --callers N   of the crowd that wait for an answer at any time (32)
  --seconds N   how long each turn of the crowd's contenders is (60)
  --burst N     dormant chats that get a message at once (50)
  --weighed N   most live sessions that are weighed; they need about 110 MiB each (20)
  --turns N     turns that each of them has (5)
  --dormant N   chats whose process is gone, to be weighed (48)
  --rounds N    turns of each contender (3)

of soak:
  --minutes N   how long the load lasts in all (60)
  --parts N     looks at the daemon, each after a part of the load (12)
  --chats N     chats that write from the beginning (300)
  --rate N      messages and actions a minute (60)
  --seed N      of the load (1)

of scale:
  --chats N     chats of the home with many chats (1000000)
  --messages N  messages of the home with a long past (10000000); needs 2.4 kB of disk for each
  --rounds N    turns of each home (10)
  --slice MS    how long each turn is, in ms (500)

of eviction:
  --chats N     chats (300)
  --hours N     how long they write (24)
  --seed N      of the generated traffic (1)

of all but eviction:
  --quick       a smoke run of some seconds; its numbers mean nothing
  --dir PATH    where the run's temporary folder is made (${tmpdir()}); should be on the disk that the ledger will be on
  --json        JSON instead of the tables
  --help`;

/** Whole numbers by option: how large a bench is. */
type Counts<Name extends string> = Readonly<Record<Name, number>>;

interface Bench<Name extends string, Found = Row[]> {
  full: Counts<Name>;
  quick: Counts<Name>;
  measure(counts: Counts<Name>, run: Run): Promise<Found>;
  markdown(found: Found): string;
}

/** Both count their rounds by the same option. */
type OneCount = "live" | "resumed" | "new" | "requests" | "rounds" | "slice";
type ManyCount =
  | "chats"
  | "processes"
  | "callers"
  | "seconds"
  | "burst"
  | "weighed"
  | "turns"
  | "dormant"
  | "rounds";

const one: Bench<OneCount> = {
  full: { live: 200, resumed: 30, new: 30, requests: 1000, rounds: 3, slice: 1000 },
  quick: { live: 3, resumed: 1, new: 1, requests: 3, rounds: 1, slice: 50 },
  measure: async ({ requests, rounds, slice, ...latency }, run) => [
    ...(await measureLatency(latency, run)),
    ...(await measureGateway({ requests }, run)),
    ...(await measureAccepts({ rounds, sliceMs: slice }, run)),
  ],
  markdown,
};

const many: Bench<ManyCount> = {
  full: {
    chats: 1000,
    processes: 16,
    callers: 32,
    seconds: 60,
    burst: 50,
    weighed: 20,
    turns: 5,
    dormant: 48,
    rounds: 3,
  },
  quick: {
    chats: 12,
    processes: 2,
    callers: 3,
    seconds: 3,
    burst: 2,
    weighed: 2,
    turns: 1,
    dormant: 1,
    rounds: 1,
  },
  measure: async ({ chats, processes, callers, seconds, burst, weighed, turns, dormant, rounds }, run) => [
    ...(await measureCrowd({ chats, processes, callers, seconds, rounds }, run)),
    ...(await measureBurst({ chats: burst, rounds }, run)),
    ...(await measureMemory({ live: weighed, turns, dormant, rounds }, run)),
  ],
  markdown,
};

const oneAndMany: Bench<OneCount | ManyCount> = {
  full: { ...one.full, ...many.full },
  quick: { ...one.quick, ...many.quick },
  measure: async (counts, run) => [...(await one.measure(counts, run)), ...(await many.measure(counts, run))],
  markdown,
};

const soak: Bench<"minutes" | "parts" | "chats" | "rate" | "seed", Soak> = {
  full: { minutes: 60, parts: 12, chats: 300, rate: 60, seed: 1 },
  quick: { minutes: 1, parts: 5, chats: 50, rate: 60, seed: 1 },
  measure: measureSoak,
  markdown: soakMarkdown,
};

const scale: Bench<"chats" | "messages" | "rounds" | "slice"> = {
  full: { chats: 1_000_000, messages: 10_000_000, rounds: 10, slice: 500 },
  quick: { chats: 10_000, messages: 10_000, rounds: 1, slice: 20 },
  measure: ({ slice, ...plan }, run) => measureScale({ ...plan, sliceMs: slice }, run),
  markdown,
};

/** Nothing is measured, so nothing of the machine is told. */
function eviction(args: string[]): string {
  const option = (fallback: string) => ({ type: "string", default: fallback }) as const;
  const options = { chats: option("300"), hours: option("24"), seed: option("1") };
  const { values } = parseArgs({ args, options });
  return compareEvictions({
    chats: wholeNumber("chats", values.chats),
    hours: wholeNumber("hours", values.hours),
    seed: wholeNumber("seed", values.seed),
  });
}

function wholeNumber(name: string, text: string): number {
  if (!/^[1-9]\d{0,7}$/.test(text))
    throw new Error(`--${name} must be a whole number from 1 to 99999999: ${text}`);
  return Number(text);
}

interface Plan<Found> {
  measure(run: Run): Promise<Found>;
  dir: string;
  json: boolean;
}

function planFor<Name extends string, Found>(bench: Bench<Name, Found>, args: string[]): Plan<Found> {
  const names = Object.keys(bench.full) as Name[];
  const { values } = parseArgs({
    args,
    options: {
      ...Object.fromEntries(names.map((name) => [name, { type: "string" } as const])),
      quick: { type: "boolean", default: false },
      dir: { type: "string", default: tmpdir() },
      json: { type: "boolean", default: false },
    },
  });
  const given: Readonly<Record<string, unknown>> = values;
  const count = (name: Name): number => {
    const text = given[name];
    if (text === undefined) return (values.quick ? bench.quick : bench.full)[name];
    return wholeNumber(name, String(text));
  };
  const counts = Object.fromEntries(names.map((name) => [name, count(name)])) as Counts<Name>;
  return { measure: (run) => bench.measure(counts, run), dir: values.dir, json: values.json };
}

type Command = (args: string[], signal: AbortSignal) => Promise<string>;

/** Runs in a folder of its own, which is gone at the end; tells what it has found. */
async function carryOut<Name extends string, Found>(
  bench: Bench<Name, Found>,
  args: string[],
  signal: AbortSignal,
): Promise<string> {
  const { measure, dir, json } = planFor(bench, args);
  const parent = realpathSync(dir);
  const folder = mkdtempSync(join(parent, "switchboard-bench-"));
  try {
    const machine = describeMachine(parent);
    const run: Run = { folder, signal, say: (text) => console.error(text) };
    const found = await measure(run);
    return json ? JSON.stringify({ machine, found }, null, 2) : `${machine}\n\n${bench.markdown(found)}`;
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** By the first argument. */
const commands: Readonly<Record<string, Command>> = {
  one: (args, signal) => carryOut(one, args, signal),
  many: (args, signal) => carryOut(many, args, signal),
  soak: (args, signal) => carryOut(soak, args, signal),
  scale: (args, signal) => carryOut(scale, args, signal),
  eviction: async (args) => eviction(args),
};

function run(args: string[], signal: AbortSignal): Promise<string> {
  const [name = "", ...rest] = args;
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  return command === undefined ? carryOut(oneAndMany, args, signal) : command(rest, signal);
}

const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => ending.abort(new Error(`ended by ${signal}`)));
}
try {
  const args = process.argv.slice(2);
  console.log(args.includes("--help") ? usage : await run(args, ending.signal));
} catch (error) {
  const reason: unknown = ending.signal.aborted ? ending.signal.reason : error;
  console.error(`bench: ${reason instanceof Error ? reason.message : reason}`);
  process.exitCode = 1;
}
