/**
 * Moments of this program, by two clocks: one that anybody may set, and one that nobody does, but that may stand still while the
 * machine sleeps.
 */

export interface Moment {
  readonly dated: number;
  readonly steady: number;
}

export const now = (): Moment => ({ dated: Date.now(), steady: performance.now() });

/** How long ago it was, by the clock that says more: for what another's clock may have ended meanwhile. */
export const msSince = ({ dated, steady }: Moment): number => Math.max(Date.now() - dated, performance.now() - steady);

/** How long ago it was, by the clock that nobody sets: for one's own patience, which no clock that is set may end or prolong. */
export const steadyMsSince = ({ steady }: Pick<Moment, "steady">): number => performance.now() - steady;
