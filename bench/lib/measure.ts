/** What a workload reports: one record of numbers, and the measures among them that have a target. */

export interface Measure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** DESIGN §11. */
  readonly target?: { readonly at: "least" | "most"; readonly value: number };
  /** The best of the peers on this kind of machine (PEERS-MEASURED). */
  readonly peer?: number;
}

export interface Outcome {
  readonly workload: string;
  readonly measures: readonly Measure[];
  /** Everything else that was seen, for the JSON lines. */
  readonly details: Readonly<Record<string, unknown>>;
}

export const reached = ({ value, target }: Measure): boolean | undefined =>
  target && (target.at === "least" ? value >= target.value : value <= target.value);

export const least = (value: number) => ({ at: "least", value }) as const;
export const most = (value: number) => ({ at: "most", value }) as const;
