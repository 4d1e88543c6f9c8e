/** How it goes, at a glance: what the sessions say now, and what the ledger has counted over the last hours. */

import type { Clock } from "./clock.ts";
import { type Gauge, type Ledger, type Rollup, rollupMs } from "./ledger/index.ts";
import type { Logger } from "./log.ts";
import type { Manager, Pool } from "./sessions/index.ts";
import { iso, type OverviewView, type StepView } from "./views.ts";

/** ms between two looks at how it stands. */
const lookEveryMs = 30_000;
/** Hours that are shown in the ledger's own steps; more are shown in as many longer ones. */
const finestHours = 6;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Billionths of a USD. */
const billionth = 1e-9;

export interface OverviewParts {
  ledger: Pick<Ledger, "gauge" | "rollups" | "chatCount" | "spending" | "lastSeq">;
  manager: Pick<Manager, "census">;
  pool: Pick<Pool, "live" | "waiting" | "bytes">;
  clock: Clock;
  log: Logger;
}

export class Overview {
  readonly #parts: OverviewParts;
  /** The highest that was told of a stretch, so that nothing is written while nothing grows. */
  #told: (Gauge & { stretch: number }) | null = null;
  readonly #stop: () => void;

  constructor(parts: OverviewParts) {
    this.#parts = parts;
    this.#stop = parts.clock.every(lookEveryMs, () => void this.look());
    void this.look();
  }

  close(): void {
    this.#stop();
  }

  /** Puts down how it stands. Never rejects: what was missed is missing. */
  async look(): Promise<void> {
    const { ledger, clock, log } = this.#parts;
    const now = this.#now;
    const stretch = Math.floor(clock.now() / rollupMs);
    const told = this.#told?.stretch === stretch ? this.#told : null;
    if (told !== null && gauges.every((name) => now[name] <= told[name])) return;
    this.#told = { ...highest(now, told ?? now), stretch };
    try {
      await ledger.gauge(now);
    } catch (error) {
      this.#told = told;
      log.debug({ error: String(error) }, "how it stands could not be put down");
    }
  }

  get #now(): Gauge {
    const { pool } = this.#parts;
    return { live: pool.live, waiting: pool.waiting, memoryBytes: pool.bytes };
  }

  /** `hours`: 1 to 168. */
  async view(hours: number): Promise<OverviewView> {
    const { ledger, manager, clock } = this.#parts;
    const now = clock.now();
    const day = iso(now).slice(0, 10);
    const midnight = now - (now % dayMs);
    const stepMs = rollupMs * Math.ceil(hours / finestHours);
    const since = beginOf(now - hours * hourMs, stepMs) + stepMs;
    const [rollups, total, spending, lastEvent] = await Promise.all([
      ledger.rollups(Math.min(since, midnight)),
      ledger.chatCount(),
      ledger.spending(day),
      ledger.lastSeq(),
    ]);
    const { states, waiting } = manager.census();
    const steps = stepsOf(rollups, since, now, stepMs);
    const last = steps.at(-1);
    // It may have grown since it was put down.
    if (last !== undefined)
      for (const name of gauges) last[name] = Math.max(last[name] ?? 0, this.#now[name]);
    const { at: _, ...today } = stepOf(
      midnight,
      rollups.filter(({ at }) => at >= midnight),
    );
    // What budgets go by, to the last cent.
    const costUsd = spending.reduce((sum, { cost }) => sum + cost, 0) * billionth;
    const live = Object.values(states).reduce((sum, count) => sum + count, 0);
    return {
      at: iso(now),
      lastEvent,
      // A chat whose session is gone is dormant, as is one whose session has nothing to do.
      chats: { total, ...states, dormant: Math.max(0, total - live) + states.dormant },
      waiting,
      today: { day, ...today, costUsd },
      stepSeconds: stepMs / 1000,
      steps,
    };
  }
}

const gauges = ["live", "waiting", "memoryBytes"] as const;

function highest(one: Gauge, other: Gauge): Gauge {
  const of = (name: keyof Gauge) => Math.max(one[name], other[name]);
  return { live: of("live"), waiting: of("waiting"), memoryBytes: of("memoryBytes") };
}

/** One for each step from `since` to `now`, also when nothing happened in it. */
export function stepsOf(rollups: readonly Rollup[], since: number, now: number, stepMs: number): StepView[] {
  const byStep = Map.groupBy(rollups, ({ at }) => beginOf(at, stepMs));
  const steps: StepView[] = [];
  for (let at = since; at <= now; at += stepMs) steps.push(stepOf(at, byStep.get(at) ?? []));
  return steps;
}

function stepOf(at: number, rollups: readonly Rollup[]): StepView {
  const sum = (key: "turns" | "answered" | "refused" | "failed" | "stopped" | "cost") =>
    rollups.reduce((total, rollup) => total + rollup[key], 0);
  const most = (key: keyof Gauge) => {
    const told = rollups.flatMap((rollup) => rollup[key] ?? []);
    return told.length === 0 ? null : Math.max(...told);
  };
  const times = rollups.flatMap(({ answerTimes }) => answerTimes);
  return {
    at: iso(at),
    turns: sum("turns"),
    ...{ answered: sum("answered"), refused: sum("refused"), failed: sum("failed"), stopped: sum("stopped") },
    answerMs: times.length === 0 ? null : { p50: timeWithin(times, 0.5), p99: timeWithin(times, 0.99) },
    costUsd: sum("cost") * billionth,
    ...{ live: most("live"), waiting: most("waiting"), memoryBytes: most("memoryBytes") },
  };
}

/** The time within which this share of all was answered, in ms; of one that is known to a tenth only, its upper end. */
export function timeWithin(times: Rollup["answerTimes"], share: number): number {
  const sorted = times.toSorted((a, b) => a.upToMs - b.upToMs);
  let left = sorted.reduce((sum, { count }) => sum + count, 0) * share;
  for (const { upToMs, count } of sorted) {
    left -= count;
    if (left <= 0) return upToMs;
  }
  return 0;
}

function beginOf(at: number, stepMs: number): number {
  return at - (at % stepMs);
}
