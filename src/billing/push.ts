/**
 * One pass of billing, by the cron or by the operator: usage becomes events, and events that are due go to the provider.
 *
 * P1. Events are taken in a transaction before they are sent, and settled after: a crash in between leaves them taken, and they
 *     are sent again when that has expired, under the same identifier. So each counts once, whoever sends it how often.
 * P2. That holds while the provider remembers identifiers. An event whose outcome has been in doubt for longer is not sent
 *     again by itself: it is `refused`, with words that say so, and the operator decides.
 * P3. Who is busy is left alone: an answer that puts off one event ends the pass.
 * P4. The key stands in no log and no error, whoever echoes it.
 */

import { safeText } from "../agent/models/faults.ts";
import { beginningOf } from "../body-text.ts";
import type { Billing } from "../contract/billing.ts";
import {
  billingAnswerBytesMax,
  billingAnswerMs,
  billingClaimMs,
  billingDoubtMs,
  billingDroppedPerPass,
  billingEventsAtOnce,
  billingEventsPerPass,
  billingHoursPerPass,
  billingKeptMs,
  billingPassMs,
  billingRetryMsMax,
  billingRetryMsMin,
  billingSettleMs,
  hourMs,
} from "../limits.ts";
import {
  claimEvents,
  dropEvents,
  type EventRow,
  type Fate,
  hoursToBill,
  makeEvents,
  settleEvents,
} from "../storage/d1/billing.ts";
import { unreachedText } from "../unreached.ts";
import { version } from "../version.ts";
import { type Answer, meaningOf } from "./answer.ts";
import { formOf } from "./meter-event.ts";

export interface Pass {
  created: number;
  sent: number;
  refused: number;
  /** Why the provider can't be sent to at present. */
  error: string | null;
}

/** `openHours`: what was used in hours that are not over, too. @throws when D1 does not answer */
export async function billUsage(
  db: D1Database,
  billing: Billing,
  { openHours = false }: { readonly openHours?: boolean } = {},
): Promise<Pass> {
  const endsAt = Date.now() + billingPassMs;
  const pass: Pass = { created: 0, sent: 0, refused: 0, error: null };
  const before = openHours ? Number.MAX_SAFE_INTEGER : Date.now() - billingSettleMs - hourMs + 1;
  const from = Date.now() - billingKeptMs;
  for (const hour of await hoursToBill(db, before, billingHoursPerPass)) {
    // E5, with an hour to spare: a pass beside this one may be ahead, and have dropped what was told of the oldest.
    pass.created += await makeEvents(db, hour, hour.hour < from + hourMs ? [] : billing.meters, Date.now());
    if (Date.now() >= endsAt) break;
  }
  if (billing.provider) await push(db, billing.provider, pass, endsAt);
  await dropEvents(db, from, billingDroppedPerPass);
  return pass;
}

type Provider = NonNullable<Billing["provider"]>;

async function push(db: D1Database, provider: Provider, pass: Pass, endsAt: number): Promise<void> {
  for (let left = billingEventsPerPass; left > 0 && Date.now() < endsAt && pass.error === null; ) {
    const now = Date.now();
    const events = await claimEvents(db, {
      now,
      until: now + billingClaimMs,
      limit: Math.min(left, billingEventsAtOnce),
    });
    if (events.length === 0) return;
    left -= events.length;
    const fates = await Promise.all(events.map(async (event) => [event, await send(provider, event, now)] as const));
    await settleEvents(db, fates, Date.now());
    for (const [event, fate] of fates) {
      if (fate.kind === "sent") pass.sent++;
      else if (fate.kind === "later") pass.error = fate.error;
      else {
        pass.refused++;
        console.error("billing event refused", { tenant: event.tenant, event: event.identifier, why: fate.error });
      }
    }
  }
  if (pass.error !== null) console.error("billing is put off", { why: pass.error });
}

async function send(provider: Provider, event: EventRow, now: number): Promise<Fate> {
  const { doubtful_since: since } = event;
  if (since !== null && since < now - billingDoubtMs)
    return { kind: "refused", error: "it may have been taken, too long ago for the provider to know a repeat" };
  const answer = await post(provider, event);
  if (answer.kind === "taken") return { kind: "sent" };
  if (answer.kind === "refused") return { kind: "refused", error: answer.why };
  const backoff = Math.min(billingRetryMsMax, billingRetryMsMin * 2 ** Math.min(event.tries - 1, 20));
  // As it says, but for no longer than until an identifier may be forgotten.
  const wait = Math.min(answer.afterMs ?? backoff, billingDoubtMs);
  // What an earlier try has left in doubt no later answer settles, unless it is of the event itself.
  const isDoubtful = answer.isDoubtful || (since !== null && since < now);
  return { kind: "later", at: Date.now() + wait, error: answer.why, isDoubtful };
}

async function post({ url, key }: Provider, event: EventRow): Promise<Answer> {
  try {
    const response = await fetch(`${url}/v1/billing/meter_events`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/x-www-form-urlencoded",
        // Not the identifier alone: an answer that was stored under it would refuse what the operator has put right.
        "idempotency-key": `${event.identifier}-${event.round}`,
        "user-agent": `heddle/${version}`,
      },
      body: formOf(event).toString(),
      redirect: "manual",
      signal: AbortSignal.timeout(billingAnswerMs),
    });
    return meaningOf(response, await beginningOf(response, billingAnswerBytesMax), [key]);
  } catch (error) {
    return { kind: "later", why: safeText(unreachedText(error), [key]), isDoubtful: true };
  }
}
