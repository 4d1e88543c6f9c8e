/** Waiting with a deadline: what does not happen is named, instead of a test that hangs. */
import { setTimeout as pause } from "node:timers/promises";

/** What ends with a test (`t`), a suite or a file (`{ after }` of node:test). */
export interface Scope {
  after(fn: () => Promise<void>): void;
}

/** ms. Far beyond what a loaded machine needs, so that it is reached only when something is broken. */
export const patienceMs = 30_000;

/** ms from one look to the next. */
const everyMs = 20;

/** Polls until `look` gives something other than undefined, null or false, and resolves with that. */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  ms = patienceMs,
): Promise<T> {
  for (const deadline = performance.now() + ms; ; await pause(everyMs)) {
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

/**
 * Does something again and again while a test does something else. The returned function ends it and gives all that it
 * gave; it ends with its scope at the latest.
 */
export function meanwhile<T>(scope: Scope, look: () => T | Promise<T>): () => Promise<T[]> {
  let over = false;
  const watching = (async () => {
    const seen: T[] = [];
    while (!over) {
      seen.push(await look());
      await pause(everyMs);
    }
    return seen;
  })();
  const end = () => {
    over = true;
    return watching;
  };
  // What it meets at a failed test's end is not what failed it.
  scope.after(() =>
    end().then(
      () => {},
      () => {},
    ),
  );
  return end;
}
