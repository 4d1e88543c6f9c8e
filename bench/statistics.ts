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

export interface Line {
  /** Where x is 0. */
  start: number;
  slope: number;
  /** Standard error. */
  slopeError: number;
}

/** By least squares. */
export function lineThrough(points: ReadonlyArray<readonly [x: number, y: number]>): Line {
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const spread = sum(points.map(([x]) => (x - meanX) ** 2));
  const slope = sum(points.map(([x, y]) => (x - meanX) * (y - meanY))) / spread;
  const start = meanY - slope * meanX;
  const misses = sum(points.map(([x, y]) => (y - start - slope * x) ** 2));
  return { start, slope, slopeError: Math.sqrt(misses / (points.length - 2) / spread) };
}

export function mean(numbers: readonly number[]): number {
  return sum(numbers) / numbers.length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
