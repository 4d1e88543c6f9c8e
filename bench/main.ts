/**
 * `npm run bench`: what Switchboard costs, in one run on the offline model, and nothing of it left behind: beside what a
 * host has without it, with a large past beside a small one, and its choice of who makes room. Prints Markdown tables.
 * What is measured, and how, stands in docs/performance.md.
 */

import { mkdtempSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureAccepts } from "./accepts.ts";
import { compareEvictions } from "./eviction.ts";
import { measureLatency } from "./latency.ts";
import { describeMachine } from "./machine.ts";
import { markdown, type Row } from "./report.ts";
import type { Run } from "./run.ts";
import { measureScale } from "./scale.ts";

const usage = `npm run bench -- [options]          beside the bare Agent SDK and plain SQLite
npm run bench -- scale [options]    with many chats and messages beside few
npm run bench -- eviction [options] which idle process makes room, beside LRU and the best choice; simulated

  --live N      messages to a live session (200)
  --resumed N   messages to a resumed session (30)
  --new N       messages to a new session (30)
  --rounds N    turns of each contender for durable accepts (3)
  --slice MS    how long each of these turns is, in ms (1000)

of scale:
  --chats N     chats of the home with many chats (1000000)
  --messages N  messages of the home with a long past (10000000); needs 2.4 kB of disk for each
  --rounds N    turns of each home (10)
  --slice MS    how long each turn is, in ms (500)

of eviction:
  --chats N     chats (300)
  --hours N     how long they write (24)
  --seed N      of the generated traffic (1)

of the first two:
  --quick       a smoke run of some seconds; its numbers mean nothing
  --dir PATH    where the run's temporary folder is made (${tmpdir()}); should be on the disk that the ledger will be on
  --json        JSON instead of the tables
  --help`;

/** Whole numbers by option: how large a bench is. */
type Counts<Name extends string> = Readonly<Record<Name, number>>;

interface Bench<Name extends string = never> {
  full: Counts<Name>;
  quick: Counts<Name>;
  measure(counts: Counts<Name>, run: Run): Promise<Row[]>;
}

const beside: Bench<"live" | "resumed" | "new" | "rounds" | "slice"> = {
  full: { live: 200, resumed: 30, new: 30, rounds: 3, slice: 1000 },
  quick: { live: 3, resumed: 1, new: 1, rounds: 1, slice: 50 },
  measure: async ({ rounds, slice, ...latency }, run) => [
    ...(await measureLatency(latency, run)),
    ...(await measureAccepts({ rounds, sliceMs: slice }, run)),
  ],
};

const scale: Bench<"chats" | "messages" | "rounds" | "slice"> = {
  full: { chats: 1_000_000, messages: 10_000_000, rounds: 10, slice: 500 },
  quick: { chats: 10_000, messages: 10_000, rounds: 1, slice: 20 },
  measure: ({ slice, ...plan }, run) => measureScale({ ...plan, sliceMs: slice }, run),
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

interface Plan {
  measure(run: Run): Promise<Row[]>;
  dir: string;
  json: boolean;
}

function planOf(args: string[]): Plan | null {
  return args[0] === "scale" ? planFor(scale, args.slice(1)) : planFor(beside, args);
}

function planFor<Name extends string>(bench: Bench<Name>, args: string[]): Plan | null {
  const names = Object.keys(bench.full) as Name[];
  const { values } = parseArgs({
    args,
    options: {
      ...Object.fromEntries(names.map((name) => [name, { type: "string" } as const])),
      quick: { type: "boolean", default: false },
      dir: { type: "string", default: tmpdir() },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const given: Readonly<Record<string, unknown>> = values;
  const count = (name: Name): number => {
    const text = given[name];
    if (text === undefined) return (values.quick ? bench.quick : bench.full)[name];
    return wholeNumber(name, String(text));
  };
  const counts = Object.fromEntries(names.map((name) => [name, count(name)])) as Counts<Name>;
  return { measure: (run) => bench.measure(counts, run), dir: values.dir, json: values.json };
}

/** Runs the plan in a folder of its own, which is gone at the end. */
async function carryOut(
  { measure, dir }: Plan,
  signal: AbortSignal,
): Promise<{ machine: string; rows: Row[] }> {
  const parent = realpathSync(dir);
  const folder = mkdtempSync(join(parent, "switchboard-bench-"));
  try {
    const machine = describeMachine(parent);
    const run: Run = { folder, signal, say: (text) => console.error(text) };
    return { machine, rows: await measure(run) };
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => ending.abort(new Error(`ended by ${signal}`)));
}
try {
  const args = process.argv.slice(2);
  const plan = args[0] === "eviction" ? null : planOf(args);
  if (args[0] === "eviction" && !args.includes("--help")) {
    console.log(eviction(args.slice(1)));
  } else if (plan === null) {
    console.log(usage);
  } else {
    const { machine, rows } = await carryOut(plan, ending.signal);
    console.log(plan.json ? JSON.stringify({ machine, rows }, null, 2) : `${machine}\n\n${markdown(rows)}`);
  }
} catch (error) {
  const reason: unknown = ending.signal.aborted ? ending.signal.reason : error;
  console.error(`bench: ${reason instanceof Error ? reason.message : reason}`);
  process.exitCode = 1;
}
