/** Zod twins of webhook-shapes.ts, as responses.ts. */

import * as z from "zod";
import { webhookTypes } from "../webhooks/types.ts";
import { type AllTrue, at, cursor, type Twins } from "./view-parts.ts";
import { webhookChoice } from "./webhook-requests.ts";
import type * as shapes from "./webhook-shapes.ts";

export const webhookView = z
  .strictObject({
    url: z.string().describe("Without the values of its query, which may hold a secret."),
    events: z.array(webhookChoice),
    state: z
      .enum(["on", "away", "off"])
      .describe("`away`: its endpoint takes nothing now; `off`: it is asked no more, until the webhook is set again."),
    reason: z
      .enum(["gone", "given_up"])
      .nullable()
      .describe("Of one that is off: the endpoint answered 410, or has taken nothing for two days."),
    away: z.strictObject({ since: at, tries: z.int().describe("Pushes in a row."), next_at: at }).nullable(),
    counts: z
      .strictObject({ delivered: z.int(), retrying: z.int(), failed: z.int() })
      .describe("Messages that were tried."),
    seq: z.int().describe("Messages of events up to this one were tried, or not chosen."),
    set_at: at,
  })
  .meta({ id: "WebhookState" });

const attempt = {
  at,
  ms: z.int().describe("How long it took."),
  status: z.int().nullable().describe("What the endpoint answered; null: nothing."),
  why: z.string().nullable().describe("Why it was not taken; null: it was."),
};

const deliveryView = z
  .strictObject({
    id: z.string().describe("Its `webhook-id`, the same in every attempt."),
    seq: z.int().describe("The event that it tells of."),
    type: z.enum(webhookTypes),
    state: z.enum(["delivered", "retrying", "failed"]),
    tries: z.int(),
    attempts: z.array(z.strictObject(attempt)).describe("The last ten."),
    next_at: at.nullable().describe("When it is tried again; null: it is not."),
  })
  .meta({ id: "Delivery" });

export const deliveriesPage = z
  .strictObject({ deliveries: z.array(deliveryView), next_cursor: cursor })
  .meta({ id: "DeliveriesPage" });

export const webhookTest = z
  .strictObject({ id: z.string(), delivered: z.boolean(), ...attempt })
  .meta({ id: "WebhookTest" });

export const replayed = z.strictObject({ replayed: z.int().describe("Messages that are sent again.") });

// Compiles only while they accept each other.
true satisfies AllTrue<
  [
    Twins<z.infer<typeof webhookView>, shapes.WebhookView>,
    Twins<z.infer<typeof deliveryView>, shapes.DeliveryView>,
    Twins<z.infer<typeof deliveriesPage>, shapes.DeliveriesPage>,
    Twins<z.infer<typeof webhookTest>, shapes.WebhookTest>,
  ]
>;
