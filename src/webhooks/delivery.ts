/**
 * What becomes of a message to a webhook's endpoint, and when the endpoint is asked next: state + attempt → state.
 *
 * Owns: how often and how long a message is tried, when an endpoint counts as away, when it is given up.
 * Does not own: which messages there are (the log), what an answer means (webhook-push/send.ts), where it is kept (storage).
 *
 * W1. A message that was not taken is tried again after a growing pause, from its first attempt on for `webhookGiveUpMs`, or until its
 *     endpoint, if that is away by then, is asked the next time; then it has failed. None is dropped unsaid, and a failed one can be sent again by hand.
 * W2. An endpoint that took nothing of a push is away. Until it takes something it is asked rarely, with a retry and a new message
 *     at most: one that is down is not asked by each of a thousand messages, and one message that it can't take holds up no others.
 * W3. `retry-after` is honoured, up to `webhookRetryMsMax`.
 * W4. An endpoint that says that it is gone (410), or took nothing for `webhookGiveUpMs`, is asked no more until somebody says so.
 */

import { webhookAttemptsKept, webhookGiveUpMs, webhookRetryMs, webhookRetryMsMax } from "../limits.ts";
import type { WebhookType } from "./types.ts";

export interface Attempt {
  readonly at: number;
  readonly ms: number;
  /** What it answered; null: nothing. */
  readonly status: number | null;
  /** Why it was not taken. */
  readonly why?: string;
}

export interface Delivery {
  /** The event that the message tells of. */
  readonly seq: number;
  readonly type: WebhookType;
  readonly state: "delivered" | "retrying" | "failed";
  /** In all, and the last ones. */
  readonly tries: number;
  readonly attempts: readonly Attempt[];
  /** Tries since then count for giving it up, and these for the pause. */
  readonly since: number;
  readonly failures: number;
  /** null: it is not tried again. */
  readonly nextAt: number | null;
}

/** What came of one attempt. */
export interface Outcome {
  readonly seq: number;
  readonly attempt: Attempt;
  readonly taken: boolean;
  /** The endpoint wants no more, ever. */
  readonly gone?: true;
  readonly afterMs?: number;
}

/** `chance`: from 0 up to 1, so that what failed together is not tried again together. */
export function attempted(
  before: Delivery | undefined,
  type: WebhookType,
  { seq, attempt, taken, afterMs }: Outcome,
  chance: number,
): Delivery {
  const since = before?.since ?? attempt.at;
  const failures = taken ? 0 : (before?.failures ?? 0) + 1;
  const attempts = [...(before?.attempts ?? []), attempt].slice(-webhookAttemptsKept);
  const known = { seq, type, tries: (before?.tries ?? 0) + 1, attempts, since, failures };
  // A push that was given up has been slow to say so, and another one got it through.
  if (taken || before?.state === "delivered") return { ...known, failures: 0, state: "delivered", nextAt: null };
  const nextAt = attempt.at + attempt.ms + pauseMs(failures, chance, afterMs);
  // W1: one that would be tried only after that is given up now.
  if (nextAt - since > webhookGiveUpMs) return { ...known, state: "failed", nextAt: null };
  return { ...known, state: "retrying", nextAt };
}

/** Somebody wants it to be sent again. */
export const replayed = (before: Delivery, now: number): Delivery => ({
  ...before,
  state: "retrying",
  since: now,
  failures: 0,
  nextAt: now,
});

/** W3; a part of the pause is chance. */
function pauseMs(failures: number, chance: number, afterMs = 0): number {
  const usual = webhookRetryMs[Math.min(failures, webhookRetryMs.length) - 1]!;
  return Math.max(Math.round(usual * (0.8 + 0.4 * chance)), Math.min(afterMs, webhookRetryMsMax));
}

/** An endpoint that takes nothing: since when, so many pushes in a row, and when it is asked next. */
export interface Away {
  readonly times: number;
  readonly since: number;
  readonly until: number;
}

/** After a push: undefined where the endpoint took something; "gone" and "given_up" end it (W4). */
export function endpointAfter(
  before: Away | undefined,
  outcomes: readonly Outcome[],
  now: number,
  chance: number,
): Away | "gone" | "given_up" | undefined {
  if (outcomes.some(({ gone }) => gone)) return "gone";
  if (outcomes.length === 0) return before;
  if (outcomes.some(({ taken }) => taken)) return undefined;
  const { times, since } = before ?? { times: 0, since: outcomes[0]!.attempt.at };
  if (now - since >= webhookGiveUpMs) return "given_up";
  const afterMs = Math.max(0, ...outcomes.map((outcome) => outcome.afterMs ?? 0));
  // The last time is when it would be given up, and not a pause later: its messages' time is over then, too.
  return {
    times: times + 1,
    since,
    until: Math.min(now + pauseMs(times + 1, chance, afterMs), since + webhookGiveUpMs),
  };
}
