/**
 * Moments of this program, by two clocks: one that anybody may set, and one that nobody does, but that may stand still while the
 * machine sleeps.
 */

export interface Moment {
  readonly dated: number;
  readonly steady: number;
}

export const now = (): Moment => ({ dated: Date.now(), steady: performance.now() });

/** How long ago it was, by the clock that says more. */
export const msSince = ({ dated, steady }: Moment): number => Math.max(Date.now() - dated, performance.now() - steady);
