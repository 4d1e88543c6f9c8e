/**
 * Whether a session's process is well, and whether it is still worth its memory. Pure: the session acts.
 *
 * What it waits for decides how long it may: each kind of waiting has its own limit and its own evidence of progress.
 * Waiting for a slot or for a limit to end is not the process's matter: when it takes too long, the operator is told. A
 * person's yes and a budget have limits of their own, where they are asked for.
 * A process that does not answer is hung when nothing else speaks for it: twice, and without using the processor
 * meanwhile. One that somebody has stopped (state T) says so itself.
 */

import type { WaitingFor } from "../views.ts";
import type { EndReason } from "./ends.ts";

/** All times in ms of the monotonic clock. */
export type Snapshot = ProcessSnapshot | WaitSnapshot;

/** Of a session without a process. */
export interface WaitSnapshot {
  state: "none";
  waiting: "slot" | "limit";
  /** When it last came nearer: another place in the line for a slot, another end of the limit. */
  progressAt: number;
  /** When a limit ends; null for a slot. */
  until: number | null;
}

/** Of a session with a process. */
export interface ProcessSnapshot {
  state: "starting" | "idle" | "busy";
  /** When it was spawned. */
  since: number;
  /** Since when nothing is open in it; null while it works. */
  idleSince: number | null;
  /** What its turn waits for; null when none runs. */
  waiting: "model" | "tool" | "compaction" | "approval" | "budget" | null;
  /** When the turn last got somewhere: a word of the model, a tool's begin or end, an answer's first byte. */
  progressAt: number;
  /** A request is with the gateway, which has limits of its own for it; or may be with a provider, of which the CLI sees to that. */
  asking: boolean;
  tools: ReadonlyArray<{ since: number; timeoutMs: number | null }>;
  ping: Ping;
  /** What it takes with its tools, as it was weighed last; null when it was not. */
  bytes: number | null;
}

export interface Ping {
  /** In a row. */
  missed: number;
  /** Whether it used the processor between the last two that it missed. */
  worked: boolean;
  /** Stopped by a signal (state T). */
  stopped: boolean;
}

export type Diagnosis =
  | { verdict: "healthy" }
  | { verdict: "waiting"; for: WaitingFor }
  /** It waits for longer than it should, and nothing of its own can change that: the operator has to know. */
  | { verdict: "overdue"; for: "slot" | "limit"; reason: string }
  /** To be replaced by a new process on the same session. `kill`: it cannot react to anything gentler. */
  | { verdict: "sick"; reason: EndReason; remedy: "terminate" | "kill" }
  /** It takes so much memory that others suffer: to be replaced at once. */
  | { verdict: "bloated"; reason: EndReason }
  /** It takes more memory than one should: to be closed when its turn has ended. */
  | { verdict: "heavy"; reason: EndReason }
  /** To be closed; the conversation stays. */
  | { verdict: "unused"; reason: EndReason };

/** What the operator may set. */
export interface Bounds {
  /** ms. */
  idleMs: number;
  /** Bytes of a process with its tools above which it is closed at its turn's end. */
  processBytes: number;
  /** Bytes of a process with its tools above which it is killed. */
  processBytesMax: number;
}

/** In ms. */
export const limits = {
  /** In the same place of the line for a slot. */
  slot: 15 * 60_000,
  /** Beyond the end that a limit has named. */
  limit: 5 * 60_000,
  /** Ten starts at once take 11 s each on two busy cores (measured); one that takes longer than this hangs. */
  start: 60_000,
  /** After its start a process is not blamed for silence: it shares the machine with others that start. */
  grace: 60_000,
  /** A living process answers within 3 ms, in mid-turn too (measured); the rest is room for a loaded machine. */
  ping: 5_000,
  /** Without a request, a word or a tool, in the middle of a turn. */
  model: 120_000,
  /** Of a tool that has declared none. The CLI's own limit for Bash is 10 minutes at most. */
  tool: 15 * 60_000,
  /** Beyond what a tool has declared. */
  toolGrace: 60_000,
  compaction: 10 * 60_000,
  /** Until a continued turn asks the model. Some resumes do not begin to run by themselves (measured). */
  continuation: 10_000,
};

export function diagnose(snapshot: Snapshot, now: number, bounds: Bounds): Diagnosis {
  if (snapshot.state === "none") return diagnoseWait(snapshot, now);
  const { state, since, idleSince, ping } = snapshot;
  const bytes = snapshot.bytes ?? 0;
  if (ping.stopped) return { verdict: "sick", reason: "it is stopped (state T)", remedy: "kill" };
  if (bytes > bounds.processBytesMax)
    return { verdict: "bloated", reason: tooMuch(bytes, bounds.processBytesMax) };
  if (state === "starting") {
    if (now - since < limits.start) return { verdict: "waiting", for: "start" };
    return { verdict: "sick", reason: "it did not start up", remedy: "kill" };
  }
  if (now - since >= limits.grace && ping.missed >= 2 && !ping.worked)
    return { verdict: "sick", reason: "it does not answer", remedy: "kill" };
  const turn = state === "busy" ? diagnoseTurn(snapshot, now) : null;
  if (turn?.verdict === "sick") return turn;
  // What a compaction has begun is done before anything else: ended half-way, it would only be begun again.
  if (bytes > bounds.processBytes && snapshot.waiting !== "compaction")
    return { verdict: "heavy", reason: tooMuch(bytes, bounds.processBytes) };
  if (turn !== null) return turn;
  if (idleSince !== null && now - idleSince >= bounds.idleMs)
    return { verdict: "unused", reason: "idle for long" };
  return { verdict: "healthy" };
}

function tooMuch(bytes: number, allowed: number): EndReason {
  const mebibytes = (n: number) => Math.round(n / 2 ** 20);
  return `it took ${mebibytes(bytes)} MiB of memory with its tools, and ${mebibytes(allowed)} are allowed`;
}

function diagnoseWait({ waiting, progressAt, until }: WaitSnapshot, now: number): Diagnosis {
  const overdue = waiting === "slot" ? now - progressAt >= limits.slot : now - (until ?? now) >= limits.limit;
  if (!overdue) return { verdict: "waiting", for: waiting };
  const reason =
    waiting === "slot"
      ? "no slot has become free for long"
      : "the limit's end has passed, and it still holds";
  return { verdict: "overdue", for: waiting, reason };
}

function diagnoseTurn({ waiting, progressAt, asking, tools }: ProcessSnapshot, now: number): Diagnosis {
  const silent = now - progressAt;
  switch (waiting) {
    case null:
      return { verdict: "healthy" };
    case "approval":
    case "budget":
      return { verdict: "waiting", for: waiting };
    case "tool": {
      const over = tools.some(
        ({ since, timeoutMs }) =>
          now - since >= (timeoutMs === null ? limits.tool : timeoutMs + limits.toolGrace),
      );
      if (!over) return { verdict: "waiting", for: "tool" };
      return { verdict: "sick", reason: "a tool ran longer than it may", remedy: "terminate" };
    }
    case "compaction":
      if (asking || silent < limits.compaction) return { verdict: "waiting", for: "compaction" };
      return { verdict: "sick", reason: "its compaction does not end", remedy: "terminate" };
    case "model":
      if (asking || silent < limits.model) return { verdict: "waiting", for: "model" };
      return {
        verdict: "sick",
        reason: "its turn neither asks the model nor runs a tool",
        remedy: "terminate",
      };
  }
}

/** ms. The death of a process that lived so long is no sign that the next one will die too. */
export const livedLongMs = 60_000;

/**
 * ms to wait before the next start after so many in a row that came to nothing. Not long at first: a message's tries
 * are few, and somebody waits for its end.
 */
export function restartDelayMs(deathsInARow: number): number {
  return deathsInARow === 0 ? 0 : Math.min(30_000, 250 * 4 ** (deathsInARow - 1));
}

/** So many unexpected deaths within the window put a session into quarantine, for `restMs`. */
export const quarantine = { deaths: 6, windowMs: 10 * 60_000, restMs: 10 * 60_000 };

/** `deaths`: when the session's processes died unexpectedly, in ms of the monotonic clock. */
export function isQuarantined(deaths: readonly number[], now: number): boolean {
  return deaths.filter((at) => now - at < quarantine.windowMs).length >= quarantine.deaths;
}
