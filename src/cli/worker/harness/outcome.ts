/** What a harness's end means for its task. Pure. */

import { harnessRetryAfterMs } from "../../../limits.ts";
import type { CommandEnd } from "../command.ts";
import { howEnded, type Verdict } from "../verdict.ts";
import { type FailureKind, failureOf, type HarnessFailure, type Reading } from "./reading.ts";
import type { Recipe } from "./recipes.ts";

/** Whether another attempt may do better. */
const retryable: Readonly<Record<FailureKind, boolean>> = {
  rate_limited: true,
  overloaded: true,
  not_logged_in: false,
  quota: false,
  max_turns: false,
  failed: false,
};

/** Why it failed; undefined: it has a final message. */
export function failureIn(
  end: CommandEnd,
  reading: Reading,
  now: number,
): (HarnessFailure & { killed?: true }) | undefined {
  if (end.startError) return { kind: "failed", message: `it did not start: ${end.startError.message}` };
  if (end.signal !== null) return { kind: "failed", message: howEnded(end), killed: true };
  const told = reading.failure;
  // Some end with status 0 whatever happened, others with 1 after a good answer was printed: the stream says it best.
  if (told && told.kind !== "failed") return told;
  if (end.status !== 0 || told) {
    const how = end.status === 0 ? "" : howEnded(end);
    const text = [how, told?.message, end.stderrTail].filter(Boolean).join("\n");
    return failureOf(text, { now });
  }
  return reading.result === undefined ? { kind: "failed", message: "it ended without a final message" } : undefined;
}

export function failureVerdict(recipe: Recipe, failure: HarnessFailure & { killed?: true }): Verdict & { ok: false } {
  const { kind, killed } = failure;
  const advice =
    kind === "not_logged_in" ? `\n${recipe.logIn}` : kind === "max_turns" ? "\nAllow it more, or split the task." : "";
  const head = {
    rate_limited: " met a rate limit",
    overloaded: "'s provider is overloaded, fails or is not reached",
    not_logged_in: " is not logged in",
    quota: "'s account has nothing left",
    max_turns: " stopped",
    failed: " failed",
  }[kind];
  const message = `${recipe.title}${head}: ${failure.message}${advice}`;
  return {
    ok: false,
    error: { code: killed ? "harness_killed" : `harness_${kind}`, message },
    retryable: killed === true || retryable[kind],
  };
}

/** For how long nothing new is leased; undefined: the failure says nothing about the next task. */
export const pauseOf = ({ kind, retryAfterMs }: HarnessFailure): number | undefined =>
  kind === "rate_limited" || kind === "overloaded" ? (retryAfterMs ?? harnessRetryAfterMs) : undefined;
