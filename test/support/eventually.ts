/** Waiting with a deadline: what does not happen is named, instead of a test that hangs. */
import { setTimeout as pause } from "node:timers/promises";

/** ms. Far beyond what a loaded machine needs, so that it is reached only when something is broken. */
export const patienceMs = 30_000;

/** Polls until `look` gives something other than undefined, null or false, and resolves with that. */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  ms = patienceMs,
): Promise<T> {
  for (const deadline = performance.now() + ms; ; await pause(20)) {
    const found = await look();
    if (found !== undefined && found !== null && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
  }
}

/** As `promise`, or rejects after `ms`. */
export async function within<T>(what: string, promise: Promise<T>, ms = patienceMs): Promise<T> {
  const over = new AbortController();
  const late = pause(ms, undefined, { signal: over.signal }).then(
    () => Promise.reject(new Error(`not within ${ms} ms: ${what}`)),
    () => promise,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
  }
}
