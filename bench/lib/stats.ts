/** The p-th percentile of a sample, by nearest rank; NaN of an empty one. */
export function percentile(sample: readonly number[], p: number): number {
  const sorted = sample.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? Number.NaN;
}

export const mean = (sample: readonly number[]): number => sample.reduce((a, b) => a + b, 0) / sample.length;

/** Jain's index: 1 where all are equal, 1/n where one has everything. */
export const jainIndex = (shares: readonly number[]): number =>
  shares.reduce((a, b) => a + b, 0) ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0));
