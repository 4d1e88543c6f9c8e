/**
 * What a daemon costs after an hour of load, beside what it cost at first: memory, handles, descriptors, files. The load is of
 * many chats with few processes, so that processes come and go all the time. It pauses after each part of the run;
 * what the daemon holds is looked at when all is at rest, with as many idle processes as there may be.
 */

import { readFileSync } from "node:fs";
import { Dice } from "../chaos/dice.ts";
import type { Run } from "./run.ts";
import { SoakDaemon } from "./soak/daemon.ts";
import { type Drift, driftsOf, tableOf } from "./soak/drift.ts";
import { Load } from "./soak/load.ts";
import { openOrderedModel, openReceiver } from "./soak/model.ts";
import { Operator, pause } from "./soak/operator.ts";
import { type Quantities, type Sample, sampleOf } from "./soak/sample.ts";
import { Story } from "./soak/story.ts";

export interface SoakPlan {
  /** How long the load lasts in all; coming to rest takes about a quarter of a minute more for each part. */
  minutes: number;
  /** 5 at least: the first one warms up, the others are compared by thirds. */
  parts: number;
  /** Chats that write from the beginning; a tenth of the messages comes from chats that nobody knows yet. */
  chats: number;
  /** Messages and actions a minute, in the mean. */
  rate: number;
  /** Of the load. */
  seed: number;
}

export interface Soak {
  plan: SoakPlan;
  /** That have written. */
  chats: number;
  turns: number;
  /** Processes that were started, and those that the load has killed. */
  starts: number;
  kills: number;
  /** How messages ended, why processes ended, and what the daemon had to log, each with its number. */
  outcomes: Record<string, number>;
  ends: Record<string, number>;
  log: Record<string, number>;
  /** What must not grow, and what grows with chats, sessions and messages. */
  cost: Drift[];
  past: Drift[];
}

interface Look extends Sample {
  /** Turns until then. */
  turns: number;
}

const processes = 6;
const channel = "soak";
/** ms. Idle connections are given up after 4 or 5 s; what has not changed for longer stands still. */
const stillMs = 6000;
const lookEveryMs = 500;
/** ms after which it is looked at whatever goes on. */
const restlessMs = 60_000;

export async function measureSoak(plan: SoakPlan, run: Run): Promise<Soak> {
  const { minutes, parts, chats, rate: perMinute, seed } = plan;
  if (parts < 5) throw new Error("a soak needs 5 parts at least");
  await using closing = new AsyncDisposableStack();
  const model = await openOrderedModel();
  closing.defer(() => model.close());
  const receiver = await openReceiver();
  closing.defer(() => receiver.close());
  const { folder } = run;
  const config = configFor(receiver.url);
  const daemon = new SoakDaemon({ folder, modelUrl: model.url, config, signal: run.signal });
  closing.defer(() => daemon.end());
  const { home, signal } = daemon;
  const client = await daemon.started();
  const story = await Story.listen(client, signal);
  const operator = new Operator(client, home, signal);
  const dice = new Dice(`${seed}`);
  const load = new Load({ client, story, operator, dice, chats, perMinute, channel, signal });
  const look = async (): Promise<Look> => {
    await standStill(daemon);
    return { ...(await sampleOf(daemon)), turns: story.turns };
  };

  const looks: Look[] = [];
  const dormant: Look[] = [];
  for (let part = 1; part <= parts; part++) {
    await load.run((minutes * 60_000) / parts);
    await operator.wake(processes);
    const now = await look();
    looks.push(now);
    run.say(`part ${part} of ${parts}: ${inShort(now)}`);
    if (part > 1 && part < parts) continue;
    await operator.closeAll();
    dormant.push(await look());
  }
  return {
    plan,
    chats: load.chats,
    turns: story.turns,
    starts: story.starts,
    kills: operator.kills,
    outcomes: Object.fromEntries(story.outcomes),
    ends: Object.fromEntries(story.ends),
    log: linesOf(daemon.log),
    cost: driftsOf(
      looks
        .slice(1)
        .map((now, at) => ({ turns: now.turns, quantities: { ...now.cost, ...cpuOf(now, looks[at]) } })),
      dormant.map(({ cost }) => cost),
    ),
    past: driftsOf(
      looks.slice(1).map(({ turns, past }) => ({ turns, quantities: past })),
      dormant.map(({ past }) => past),
    ),
  };
}

function configFor(receiverUrl: string): string {
  return `log_level = "warn"

[processes]
max = ${processes}

[channels.${channel}]
type = "webhook"
url = "${receiverUrl}"
secret = "${channel.repeat(8)}"
`;
}

/** What comes and goes by itself when the load has ended is over. */
async function standStill(daemon: SoakDaemon): Promise<void> {
  const seen = () => `${daemon.descriptors().length} ${daemon.children()}`;
  const limit = performance.now() + restlessMs;
  for (let last = seen(), since = performance.now(); performance.now() < limit; ) {
    await pause(lookEveryMs, daemon.signal);
    const now = performance.now();
    if (seen() !== last) [last, since] = [seen(), now];
    else if (now - since >= stillMs) return;
  }
}

/** Since the look before, which is the end of another part. */
function cpuOf(now: Look, before: Look | undefined): Record<string, number> {
  if (before === undefined) return {};
  return { "CPU of the daemon for a turn, ms": (now.cpuMs - before.cpuMs) / (now.turns - before.turns) };
}

function inShort({ turns, cost }: Look): string {
  const heap = cost["heap of the main thread: objects, MiB"] ?? 0;
  const resident = sumOf(cost, "resident");
  const all = sumOf(cost, "descriptors");
  return `${turns} turns; objects ${heap.toFixed(1)} MiB, resident ${resident.toFixed(0)} MiB, ${all} descriptors`;
}

/** Of all quantities of a kind. */
function sumOf(quantities: Quantities, kind: string): number {
  const all = Object.entries(quantities).filter(([name]) => name.startsWith(`${kind}: `));
  return all.reduce((sum, [, n]) => sum + n, 0);
}

/** How often each thing was logged. */
function linesOf(log: string): Record<string, number> {
  const lines = readFileSync(log, "utf8").split("\n").filter(Boolean);
  const said = Map.groupBy(lines, (line) => (line.startsWith("{") ? JSON.parse(line).msg : line));
  return Object.fromEntries([...said].map(([what, all]) => [what, all.length]));
}

export function soakMarkdown({ plan, cost, past, ...soak }: Soak): string {
  const { chats, turns, starts, kills, outcomes, ends, log } = soak;
  const counted = (counts: Record<string, number>) =>
    Object.entries(counts)
      .sort(([, a], [, b]) => b - a)
      .map(([what, times]) => `${times} ${what}`)
      .join(", ");
  return `${plan.minutes} minutes, ${plan.rate} messages and actions a minute at most, seed ${plan.seed}: ${chats} chats, ${turns} turns, ${starts} processes started, ${kills} killed

- messages: ${counted(outcomes)}
- ends of processes: ${counted(ends)}
- logged: ${counted(log)}

${tableOf("must not grow", cost)}

${tableOf("grows with chats, sessions, messages", past)}`;
}
