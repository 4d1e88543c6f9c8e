/** What is told of a list of durations. */
export interface Timings {
  n: number;
  medianMs: number;
  p99Ms: number;
}

/** By nearest rank: each number is one that was measured. With fewer than 100 samples the p99 is the worst of them. */
export function timingsOf(samples: readonly number[]): Timings {
  const sorted = samples.toSorted((a, b) => a - b);
  const rank = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
  return { n: sorted.length, medianMs: rank(0.5), p99Ms: rank(0.99) };
}
