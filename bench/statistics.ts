/** What is told of a list of measurements. */
export interface Summary {
  n: number;
  median: number;
  p99: number;
}

/** By nearest rank: each number is one that was measured. With fewer than 100 samples the p99 is the worst of them. */
export function summaryOf(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  const rank = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
  return { n: sorted.length, median: rank(0.5), p99: rank(0.99) };
}
