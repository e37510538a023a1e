/** The operator's view of billing: whom tenants are to the provider, what it is sent, and what became of it. */

import { meterEventOf } from "../billing/meter-event.ts";
import { billUsage } from "../billing/push.ts";
import {
  type Billing,
  billingBody,
  billingEventsQuery,
  billingPushBody,
  billingPushView,
  billingRetryBody,
  billingRetryView,
  billingView,
  meterEventsPage,
  parseBilling,
} from "../contract/billing.ts";
import type { BillingView, MeterEventView } from "../contract/billing-shapes.ts";
import { Fault } from "../errors/fault.ts";
import { hourMs } from "../limits.ts";
import { meterRuns } from "../meter-runs.ts";
import {
  countEvents,
  countWaiting,
  customerOf,
  type EventRow,
  listEvents,
  removeCustomer,
  retryEvents,
  setCustomer,
} from "../storage/d1/billing.ts";
import { operator } from "./access.ts";
import { requireTenant } from "./admin.ts";
import { numberIn, pageOf } from "./cursor.ts";
import type { HttpEnv } from "./env.ts";
import { runObject } from "./objects.ts";
import { operatorRoute } from "./route.ts";

const path = "/admin/tenants/:tenant/billing";
const answer = { status: 200, schema: billingView } as const;

export const billingRoutes = [
  operatorRoute(
    { method: "GET", path, summary: "Whom a tenant is to the billing provider, and how far it is billed", answer },
    async ({ env, params: { tenant } }) => {
      await requireTenant(env, tenant);
      return viewOf(env, tenant);
    },
  ),

  operatorRoute(
    {
      method: "PUT",
      path,
      summary: "Bill a tenant's usage to a customer of the billing provider",
      body: billingBody,
      answer,
    },
    async ({ env, params: { tenant }, body }) => {
      await requireTenant(env, tenant);
      const now = Date.now();
      const since = body.since ?? (await customerOf(env.DB, tenant))?.since ?? Math.floor(now / hourMs) * hourMs;
      await setCustomer(env.DB, tenant, { customer: body.customer, since }, operator, now);
      return viewOf(env, tenant);
    },
  ),

  operatorRoute(
    {
      method: "DELETE",
      path,
      summary: "Bill nothing more of a tenant; events that were made are still sent",
      answer: { status: 204 },
    },
    async ({ env, params: { tenant } }) => {
      await requireTenant(env, tenant);
      await removeCustomer(env.DB, tenant, operator, Date.now());
    },
  ),

  operatorRoute(
    {
      method: "GET",
      path: "/admin/billing/events",
      summary: "Meter events as the billing provider takes them, oldest first",
      query: billingEventsQuery,
      answer: { status: 200, schema: meterEventsPage, alsoType: "application/x-ndjson" },
    },
    async ({ env, query: { limit, cursor, format, ...of } }) => {
      const found = await listEvents(env.DB, { ...of, after: numberIn(cursor), limit: limit + 1 });
      const { rows, next_cursor: next } = pageOf(found, limit, ({ id }) => String(id));
      if (format === "json") return { events: rows.map(eventView), next_cursor: next };
      const lines = rows.map((row) => `${JSON.stringify(meterEventOf(row))}\n`).join("");
      return new Response(lines, {
        headers: { "content-type": "application/x-ndjson", ...(next !== null && { "heddle-next-cursor": next }) },
      });
    },
  ),

  operatorRoute(
    {
      method: "POST",
      path: "/admin/billing/push",
      anew: true,
      summary: "Make and send what is due now, as the cron does every minute",
      body: billingPushBody,
      answer: { status: 200, schema: billingPushView },
      problems: ["not_ready"],
    },
    async ({ env, body }) => {
      const billing = configured(env);
      await meterRuns(env.DB, (run) => runObject(env, run.tenant, run.id).meter());
      const pass = await billUsage(env.DB, billing, { openHours: body.open_hours });
      return { configured: billing.provider !== undefined, ...pass, waiting: await countWaiting(env.DB) };
    },
  ),

  operatorRoute(
    {
      method: "POST",
      path: "/admin/billing/retry",
      anew: true,
      summary: "Have events that the provider refused sent again, for the customer that their tenant has now",
      body: billingRetryBody,
      answer: { status: 200, schema: billingRetryView },
    },
    async ({ env, body }) => ({ retried: await retryEvents(env.DB, body.tenant, Date.now()) }),
  ),
];

function configured(env: HttpEnv): Billing {
  const found = parseBilling(env);
  if (!found.ok) throw new Fault("not_ready", found.message);
  return found.billing;
}

async function viewOf(env: HttpEnv, tenant: string): Promise<BillingView> {
  const [row, events] = await Promise.all([customerOf(env.DB, tenant), countEvents(env.DB, tenant)]);
  return { tenant, customer: row?.customer ?? null, since: row?.since ?? null, events };
}

const eventView = (row: EventRow): MeterEventView => ({
  ...meterEventOf(row),
  ...{ tenant: row.tenant, state: row.state, tries: row.tries, sent_at: row.sent_at, error: row.error },
});
