/**
 * Whether a session's process is well, and whether it is still worth its memory. Pure: the manager acts.
 */

export interface Snapshot {
  /** Turns that failed since one ended well, on this process. */
  failuresInARow: number;
  /** Since when nothing is open in it, in ms of the monotonic clock; null while it works. */
  idleSince: number | null;
  /** Whether it answered its ping within {@link pingLimitMs}. */
  answered: boolean;
}

export type Judgement =
  | { verdict: "healthy" }
  /** To be replaced by a new process on the same session. */
  | { verdict: "sick"; reason: string }
  /** To be closed; the conversation stays. */
  | { verdict: "unused"; reason: string };

/** ms. A living process answers within 3 ms, in mid-turn too (measured); the rest is room for a loaded machine. */
export const pingLimitMs = 10_000;
export const maxFailuresInARow = 3;

export function judge(snapshot: Snapshot, now: number, limits: { idleMs: number }): Judgement {
  if (!snapshot.answered) return { verdict: "sick", reason: "it does not answer" };
  if (snapshot.failuresInARow >= maxFailuresInARow) {
    return { verdict: "sick", reason: `${snapshot.failuresInARow} turns failed in a row` };
  }
  if (snapshot.idleSince !== null && now - snapshot.idleSince >= limits.idleMs) {
    return { verdict: "unused", reason: "idle for long" };
  }
  return { verdict: "healthy" };
}

/** ms. The death of a process that lived so long is no sign that the next one will die too. */
export const livedLongMs = 60_000;

/** ms. Ten starts at once take 11 s each on two busy cores (measured); one that takes longer than this hangs. */
export const startLimitMs = 60_000;

/**
 * ms to wait before the next start after so many in a row that came to nothing. Not long: a message's tries are
 * few, and somebody waits for its end.
 */
export function restartDelayMs(deathsInARow: number): number {
  return deathsInARow === 0 ? 0 : Math.min(4000, 250 * 4 ** (deathsInARow - 1));
}
