/** What seats' model calls tell the run of the provider that served them (scheduler/availability.ts). */

import type { Trouble } from "../../availability/observation.ts";
import type { Step } from "../../scheduler/step.ts";
import type { Ending, Leave, SeatTurn } from "../seat-rpc.ts";
import type { LeasedTask } from "./dispatch.ts";

/** A reply has come. Call before it is logged. */
export function observeTurn({ state, now }: Step, task: LeasedTask, { took, rates, usage }: SeatTurn): void {
  const { availability } = state;
  availability.seatWorked(now, took?.ms ?? 0);
  availability.observe(
    task,
    {
      begunAt: now - (took?.ms ?? 0),
      outcome: "through",
      ...(rates && { rates }),
      ...(took?.firstMs !== undefined && { firstMs: took.firstMs }),
      used: { input: usage.input_tokens, output: usage.output_tokens, cached: usage.cache_read_tokens },
    },
    now,
  );
}

/** Whether the task may make its next call at once, and that it does. */
export function mayGoOn({ state, now }: Step, task: LeasedTask): boolean {
  if (state.availability.mustYield(task, now)) return false;
  state.availability.begin(task, now);
  return true;
}

/** Faults that fewer calls would have helped. */
const troubleOf: Readonly<Record<string, Trouble>> = {
  provider_rate_limited: "rate_limited",
  provider_overloaded: "overloaded",
  provider_timeout: "timed_out",
};

/** The end of an attempt, with what its model call tells: a refusal that others of the run led to is none of the task's failures. */
export function observedEnding(
  { state, now }: Step,
  task: LeasedTask,
  { ending, call }: Extract<Leave, { kind: "end" }>,
): Ending & { readonly crowded?: boolean } {
  if (!call || ending.kind !== "error") return ending;
  const { retryAfterMs } = ending;
  const outcome = troubleOf[ending.fault] ?? "other";
  const crowded = state.availability.observe(
    task,
    {
      begunAt: now - call.ms,
      outcome,
      ...(outcome !== "other" && retryAfterMs !== undefined && { retryAfterMs }),
      ...(call.rates && { rates: call.rates }),
    },
    now,
  );
  return crowded ? { ...ending, crowded } : ending;
}
