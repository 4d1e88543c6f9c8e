/** One run of the benchmark: its folder, what ends it early, and the order in which contenders take turns. */

export interface Run {
  /** For everything that the run writes; gone when it ends. */
  readonly folder: string;
  /** Aborts when the run is to end early. */
  readonly signal: AbortSignal;
  /** Tells how far it has come. */
  say(text: string): void;
}

/** Measures once; resolves with what it took, when nothing that it started is under way any more. */
export type Measure = () => Promise<number>;

/** ms. Who takes longer hangs. That is a failed run; a slow one never is. */
export const hangsAfterMs = 120_000;

/**
 * Lets the contenders take turns, A B B A A B…, so that a machine that gets slower or faster hits all of them and
 * none always follows the same other. Returns the measurements of each.
 */
export async function inTurns(rounds: number, contenders: readonly Measure[], run: Run): Promise<number[][]> {
  const measured = contenders.map((measure) => ({ measure, samples: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const { measure, samples } of round % 2 === 0 ? measured : measured.toReversed()) {
      samples.push(await orAbort(measure(), run.signal));
    }
  }
  return measured.map(({ samples }) => samples);
}

/** Rejects when the run is to end early, or when `work` hangs. */
export async function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(hangsAfterMs)]);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(over.reason);
  if (over.aborted) abort();
  over.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    over.removeEventListener("abort", abort);
  }
}
