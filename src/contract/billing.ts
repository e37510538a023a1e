/**
 * A billing provider's meters: which there are, where the deployment pushes what was used (`HEDDLE_BILLING_KEY`,
 * `HEDDLE_BILLING_URL`, `HEDDLE_BILLING_METERS`), and the operator's requests.
 */

import * as z from "zod";
import { customerCharsMax, nameCharsMax } from "../limits.ts";
import type * as shapes from "./billing-shapes.ts";
import { hour } from "./moments.ts";
import { pageQuery } from "./paging.ts";
import { type AllTrue, at, cursor, type Twins } from "./view-parts.ts";

/** What is metered, by its event's name. Amounts are those of `GET /v1/usage`; tokens are told apart by model. */
export const meters = {
  heddle_input_tokens: { amount: "input_tokens", byModel: true },
  heddle_output_tokens: { amount: "output_tokens", byModel: true },
  heddle_cache_read_tokens: { amount: "cache_read_tokens", byModel: true },
  heddle_cache_write_tokens: { amount: "cache_write_tokens", byModel: true },
  heddle_task_seconds: { amount: "task_ms / 1000", byModel: false },
  heddle_platform_operations: { amount: "events", byModel: false },
} as const;

export type Meter = keyof typeof meters;
export const meterNames = Object.keys(meters) as Meter[];

export interface BillingVariables {
  readonly HEDDLE_BILLING_KEY?: string;
  readonly HEDDLE_BILLING_URL?: string;
  readonly HEDDLE_BILLING_METERS?: string;
  /** There in local mode only. */
  readonly HEDDLE_BOOT?: string;
}

export interface Billing {
  readonly meters: readonly Meter[];
  /** Where events are pushed; absent where no key is set. */
  readonly provider?: { readonly url: string; readonly key: string };
}

export type FoundBilling =
  | { readonly ok: true; readonly billing: Billing }
  | { readonly ok: false; readonly message: string };

const providerDefault = "https://api.stripe.com";

/** `message` names the variable, and nothing of a secret. */
export function parseBilling(variables: BillingVariables): FoundBilling {
  const wrong = (message: string) => ({ ok: false, message }) as const;
  const list = (variables.HEDDLE_BILLING_METERS ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const unknown = list.find((name) => !Object.hasOwn(meters, name));
  if (unknown !== undefined)
    return wrong(`HEDDLE_BILLING_METERS names "${unknown}"; there are ${meterNames.join(", ")}`);
  const chosen = list.length === 0 ? meterNames : meterNames.filter((name) => list.includes(name));
  const key = variables.HEDDLE_BILLING_KEY ?? "";
  if (key === "") {
    return variables.HEDDLE_BILLING_URL
      ? wrong("HEDDLE_BILLING_URL is set and HEDDLE_BILLING_KEY is not")
      : { ok: true, billing: { meters: chosen } };
  }
  if (!/^[\x21-\x7e]+$/.test(key)) return wrong("HEDDLE_BILLING_KEY holds characters that no key has");
  const text = variables.HEDDLE_BILLING_URL || providerDefault;
  const isLocal = variables.HEDDLE_BOOT !== undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !(url.protocol === "https:" || (isLocal && url.protocol === "http:")))
    return wrong(`HEDDLE_BILLING_URL must be an https address${isLocal ? ", or an http one" : ""}`);
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "")
    return wrong("HEDDLE_BILLING_URL must be an address without user name, password, query and fragment");
  return { ok: true, billing: { meters: chosen, provider: { url: url.href.replace(/\/+$/, ""), key } } };
}

export const billingBody = z.strictObject({
  customer: z
    .string()
    .regex(/^[\x21-\x7e]+$/, "expected the provider's id of a customer, as cus_…, without spaces")
    .max(customerCharsMax)
    .describe("The provider's id of the tenant, as cus_….")
    .meta({ example: "cus_NciAYcXfLnqBoz" }),
  since: hour
    .describe("From this hour on it is billed; default: the present one, or what was set before.")
    .exactOptional(),
});

const eventStates = ["waiting", "sent", "refused"] as const satisfies readonly shapes.EventState[];

export const billingEventsQuery = pageQuery.extend({
  tenant: z.string().min(1).max(nameCharsMax).describe("Only this tenant's.").exactOptional(),
  state: z.enum(eventStates).describe("Only those in this state.").exactOptional(),
  format: z
    .enum(["json", "jsonl"])
    .default("json")
    .describe("jsonl: one event a line, as the provider takes it, and the next page's cursor as a header."),
});

export const billingPushBody = z.strictObject({
  open_hours: z
    .boolean()
    .default(false)
    .describe("true: also what was used in hours that go on; what follows in them becomes events of its own."),
});

export const billingRetryBody = z.strictObject({
  tenant: z.string().min(1).max(nameCharsMax).describe("Only this tenant's.").exactOptional(),
});

export const billingView = z
  .strictObject({
    tenant: z.string(),
    customer: z.string().nullable().describe("null: the tenant is not billed."),
    since: at.nullable(),
    events: z.strictObject({ waiting: z.int(), sent: z.int(), refused: z.int() }),
  })
  .meta({ id: "Billing" });

/** What the provider is sent, and what became of it. */
const meterEventView = z
  .strictObject({
    event_name: z.string(),
    identifier: z.string().describe("By which the provider knows a repeat."),
    timestamp: z.string().describe("The hour in which it was used."),
    payload: z.record(z.string(), z.string()).describe("stripe_customer_id, value; of tokens the model, too."),
    tenant: z.string(),
    state: z.enum(eventStates),
    tries: z.int(),
    sent_at: at.nullable(),
    error: z.string().nullable(),
  })
  .meta({ id: "MeterEvent" });

export const meterEventsPage = z.strictObject({
  events: z.array(meterEventView),
  next_cursor: cursor,
});

export const billingPushView = z
  .strictObject({
    configured: z.boolean().describe("false: no provider is configured; events were made, and not sent."),
    created: z.int(),
    sent: z.int(),
    refused: z.int(),
    waiting: z.int().describe("Left to send: ask again, or leave it to the cron."),
    error: z.string().nullable().describe("Why the provider can't be sent to at present."),
  })
  .meta({ id: "BillingPush" });

export const billingRetryView = z.strictObject({ retried: z.int() });

// Compiles only while each schema and its shape accept each other.
true satisfies AllTrue<
  [
    Twins<z.infer<typeof billingView>, shapes.BillingView>,
    Twins<z.infer<typeof meterEventView>, shapes.MeterEventView>,
    Twins<z.infer<typeof meterEventsPage>, shapes.MeterEventsPage>,
    Twins<z.infer<typeof billingPushView>, shapes.BillingPushView>,
    Twins<z.input<typeof billingBody>, shapes.BillingRequest>,
  ]
>;
