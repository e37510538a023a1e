/** A broken promise, with what was told and what is there. */

export interface Violation {
  /**
   * `lost`: acknowledged, and not there. `twice`: applied more than once. `stuck`: not at its end in time. `wrong`: any other
   * promise (an answer that changed, two holders of one lock, a result of somebody else's).
   */
  readonly sort: "lost" | "twice" | "stuck" | "wrong";
  readonly rule: string;
  readonly run: string;
  readonly about: string;
  readonly told: unknown;
  readonly found: unknown;
}

/** What a rule says; the run is added by the checker. */
export type Broken = Omit<Violation, "run">;
