/** How many tasks were at work over time, from the levels that a time split tells. */

import type { Level } from "./time-split.ts";

export interface Parallelism {
  /** Tasks at work at once: the mean over the whole time, and the most. */
  readonly average: number;
  readonly peak: number;
  /** Means over equal spans of time, each with its begin. */
  readonly curve: { readonly at: number; readonly working: number; readonly ready: number }[];
}

/** `points` equal spans from `from` to `to`; fewer where they would be shorter than a millisecond. */
export function parallelism(levels: readonly Level[], from: number, to: number, points: number): Parallelism {
  const whole = Math.max(0, to - from);
  const count = Math.min(points, whole);
  const working = new Float64Array(count);
  const ready = new Float64Array(count);
  let peak = 0;
  let sum = 0;
  for (const [i, level] of levels.entries()) {
    const begin = Math.max(from, level.at);
    const end = Math.min(to, levels[i + 1]?.at ?? to);
    // A level of no length was no time at all: two events of one command.
    if (end <= begin) continue;
    peak = Math.max(peak, level.working);
    sum += level.working * (end - begin);
    for (let span = spanOf(begin); span < count && boundary(span) < end; span++) {
      // Zero in the span before the first, where rounding may begin.
      const ms = Math.max(0, Math.min(end, boundary(span + 1)) - Math.max(begin, boundary(span)));
      working[span]! += level.working * ms;
      ready[span]! += level.ready * ms;
    }
  }
  function boundary(span: number): number {
    return from + (whole * span) / count;
  }
  function spanOf(at: number): number {
    return Math.max(0, Math.floor(((at - from) * count) / whole) - 1);
  }
  const curve = Array.from(working, (inSpan, span) => {
    const ms = boundary(span + 1) - boundary(span);
    return { at: Math.round(boundary(span)), working: round(inSpan / ms), ready: round(ready[span]! / ms) };
  });
  return { average: whole > 0 ? round(sum / whole) : 0, peak, curve };
}

const round = (value: number): number => Math.round(value * 100) / 100;
