/**
 * Warm one, then release (DESIGN §8): of ready siblings that share a large cold prefix one reads it first, and the others are
 * held until the vendor has cached it, which is at that one's first token.
 *
 * Owns: whether holding pays, who reads first, when the others are let go.
 * Does not own: the index of held tasks (state.ts), what is known of a prefix (lineage.ts), prices (they come with the
 * command that creates tasks).
 *
 * H1. Who is held is ready, hosted, and of a lineage whose first reader has an open lease.
 * H2. A cold spell's hold ends at a time that is fixed when it begins, and another first reader does not move it.
 * H3. Whoever is held keeps the place in the ready order, and others of the pool go on past it.
 */

import {
  cacheTtlMs,
  delayNanosPerMs,
  firstTokenMs,
  firstTokenMsPerToken,
  runWarmMsDefault,
  warmPatience,
} from "../limits.ts";
import { coldTokens, findLineage, type Lineage } from "./lineage.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { hostedPool, lineageOf, type RunningTask, type Task } from "./task.ts";

const picosPerNano = 1000;

/** When the first token of a call is expected that reads so many tokens for the first time. */
export const expectedFirstTokenMs = (tokens: number): number => firstTokenMs + tokens * firstTokenMsPerToken;

/**
 * Nanodollars that holding saves: cold tokens × (write − read price) × siblings held, less what the run's delay until the
 * first token is worth. Negative: not worth it.
 */
export const savingOfHold = ({ tokens, gain, held }: { tokens: number; gain: number; held: number }): number =>
  Math.floor((tokens * gain * held) / picosPerNano - expectedFirstTokenMs(tokens) * delayNanosPerMs);

/** How long siblings are held at most; 0: not at all. */
export const holdMs = (tokens: number, warmMs: number): number =>
  Math.min(warmMs, Math.ceil(warmPatience * expectedFirstTokenMs(tokens)));

/** Call when a hosted lease was opened: its attempt becomes the first reader where that pays. */
export function beginWarming(step: Step, task: RunningTask): void {
  const { state, now } = step;
  const lineage = task.pool === hostedPool ? findLineage(state, lineageOf(task)) : undefined;
  if (!lineage || lineage.warmer > 0 || lineage.openUntil > now) return;
  const tokens = coldTokens(lineage, now);
  const { warmMs = runWarmMsDefault } = state.header.limits;
  // Only those that could start now would pay for the prefix; the others find it cached anyway.
  const held = Math.min(state.readySiblings(lineage.n), state.workers - state.working);
  if (warmMs === 0 || held < 1 || savingOfHold({ tokens, gain: lineage.gain, held }) <= 0) return;
  // A first reader that is gone leaves the spell's end behind; when that is long past this is another spell.
  const isAnother = lineage.holdUntil + cacheTtlMs <= now;
  const until = isAnother ? now + holdMs(tokens, warmMs) : lineage.holdUntil;
  if (until <= now) return;
  step.emit({ type: "cache_warming", task: task.n, fence: task.phase.fence, lineage: lineage.n, until });
}

/** The first reader's reply has begun: the vendor has the prefix. Of another attempt it says nothing. */
export function firstToken(step: Step, task: RunningTask): void {
  if (isWarming(step.state, task)) {
    step.emit({ type: "cache_released", lineage: lineageOf(task), why: "first_token" });
  }
}

/** Call at the end of a command: lets go of siblings whose first reader is through, gone, or too slow. */
export function releaseHolds(step: Step): void {
  for (const n of [...step.state.warming]) {
    const lineage = findLineage(step.state, n)!;
    const why = endOf(step, lineage);
    if (why) step.emit({ type: "cache_released", lineage: n, why });
  }
}

function endOf({ state, now }: Step, { warmer, warmerFence, openUntil, holdUntil }: Lineage) {
  if (openUntil > now) return "turn";
  if (holdUntil <= now) return "bound";
  const phase = state.live(warmer)?.phase;
  return phase?.state === "running" && phase.fence === warmerFence ? undefined : "gone";
}

/** Whether this attempt is the one that its siblings are held for. */
export function isWarming(state: RunState, task: RunningTask): boolean {
  const known = findLineage(state, lineageOf(task));
  return known?.warmer === task.n && known.warmerFence === task.phase.fence;
}

/** What a ready task is held for; undefined when it is not. */
export function heldFor(state: RunState, task: Task): { warmer: number; until: number } | undefined {
  if (!state.isHeld(task)) return undefined;
  const { warmer, holdUntil } = findLineage(state, lineageOf(task))!;
  return { warmer, until: holdUntil };
}

/** When the next hold ends by itself; undefined: nobody is held. */
export function holdEndAt(state: RunState): number | undefined {
  const ends = Array.from(state.warming, (n) => findLineage(state, n)!.holdUntil);
  return ends.length > 0 ? Math.min(...ends) : undefined;
}
