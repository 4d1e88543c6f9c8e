/**
 * What happened in each stretch of time, over all chats: counted in the transaction of the change that it counts, so that
 * nothing is counted twice or lost by a crash. No chat is in it, and it outlives those that are forgotten.
 */

import { type Rollup, rollupMs, rollupsKeptMs } from "../ledger.ts";
import type { Database } from "./database.ts";
import type { Writes } from "./protocol.ts";
import type { MessageState } from "./rows.ts";

/** Upper ends of times from acceptance to answer: eight for each doubling, so that a time is known to 9 %. */
const perDoubling = 8;

export function createRollupWrites(db: Database): Pick<Writes, "gauge"> {
  return {
    gauge({ live, waiting, memoryBytes }) {
      const at = stretchOf(Date.now());
      db.run(
        `INSERT INTO rollups (at, live, waiting, memory_bytes) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET live = max(coalesce(live, 0), excluded.live),
           waiting = max(coalesce(waiting, 0), excluded.waiting),
           memory_bytes = max(coalesce(memory_bytes, 0), excluded.memory_bytes)`,
        ...[at, live, waiting, memoryBytes],
      );
      db.run("DELETE FROM rollups WHERE at < ?", at - rollupsKeptMs);
      db.run("DELETE FROM answer_times WHERE at < ?", at - rollupsKeptMs);
    },
  };
}

/** A message has got its end status. */
export function countEnd(db: Database, at: number, { status, accepted_at: acceptedAt }: MessageState): void {
  add(db, at, status, 1);
  if (status !== "answered") return;
  db.run(
    `INSERT INTO answer_times (at, up_to_ms, count) VALUES (?, ?, 1)
     ON CONFLICT DO UPDATE SET count = count + 1`,
    ...[stretchOf(at), upperEnd(at - acceptedAt)],
  );
}

export function countTurn(db: Database, at: number): void {
  add(db, at, "turns", 1);
}

/** `cost`: in billionths of a USD. */
export function countCost(db: Database, at: number, cost: number): void {
  add(db, at, "cost", cost);
}

function add(
  db: Database,
  at: number,
  column: "turns" | "cost" | MessageState["status"],
  amount: number,
): void {
  db.run(
    `INSERT INTO rollups (at, ${column}) VALUES (?, ?)
     ON CONFLICT DO UPDATE SET ${column} = ${column} + excluded.${column}`,
    ...[stretchOf(at), amount],
  );
}

function stretchOf(at: number): number {
  return at - (at % rollupMs);
}

/** The clock may have been set back since: then the time is not known, and the shortest is said. */
function upperEnd(ms: number): number {
  const step = Math.ceil(Math.log2(Math.max(1, ms)) * perDoubling);
  return Math.ceil(2 ** (step / perDoubling));
}

interface RollupRow {
  at: number;
  turns: number;
  answered: number;
  refused: number;
  failed: number;
  stopped: number;
  cost: number;
  live: number | null;
  waiting: number | null;
  memory_bytes: number | null;
}

export function readRollups(db: Database, since: number): Rollup[] {
  const times = db.all<{ at: number; up_to_ms: number; count: number }>(
    "SELECT * FROM answer_times WHERE at >= ? ORDER BY at, up_to_ms",
    since,
  );
  const timesOf = Map.groupBy(times, ({ at }) => at);
  return db
    .all<RollupRow>("SELECT * FROM rollups WHERE at >= ? ORDER BY at", since)
    .map(({ memory_bytes: memoryBytes, ...row }) => ({
      ...row,
      memoryBytes,
      answerTimes: (timesOf.get(row.at) ?? []).map(({ up_to_ms: upToMs, count }) => ({ upToMs, count })),
    }));
}
