/**
 * When a chat's next message is likely to come, by the times of its last ones. Pure; times are ms since the Unix epoch.
 *
 * What writes at steady intervals (a watchdog, another bot) is due when the interval is over, and its process is of no use
 * until then. Of people nothing is known but that who has been silent for long will likely be silent for longer, so the one who
 * wrote last is likely the next. `npm run bench -- eviction` compares this with recency alone.
 */

/** How many of a chat's last messages are looked at. */
export const lookedAt = 4;

/** The longest of some intervals may be so many times the shortest, or they are not steady. */
const steady = 1.5;
/** Who is so many intervals late does not keep to them any more. */
const late = 1.2;

/**
 * ms, estimated. `times`: of the last messages, oldest first. `restedMs`: since when the process has had nothing to do, which
 * is less than since the last message when it was woken, or has worked for long.
 */
export function untilNext(times: readonly number[], now: number, restedMs: number): number {
  const last = times.at(-1);
  if (last === undefined) return restedMs;
  const silent = Math.max(0, now - last);
  const intervals = times.slice(1).map((time, at) => time - (times[at] ?? time));
  const recency = Math.min(silent, restedMs);
  if (intervals.length < lookedAt - 1) return recency;
  const [shortest, longest] = [Math.min(...intervals), Math.max(...intervals)];
  if (longest > steady * shortest || silent > late * longest) return recency;
  return Math.max(0, shortest - silent);
}
