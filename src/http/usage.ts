/** What tenants have used, from the runs' logs: a tenant its own, the operator one tenant's or all. */

import * as z from "zod";
import type { UsagePage, UsageRowView } from "../contract/shapes.ts";
import { usagePage } from "../contract/tenant-responses.ts";
import { allUsageQuery, type UsageBy, usageQuery } from "../contract/usage-requests.ts";
import { csvCell, usageColumns } from "../csv.ts";
import { Fault, fieldFault } from "../errors/fault.ts";
import { dayMs, hourMs, usageDaysDefault, usageDaysMax } from "../limits.ts";
import { meterForQuestion } from "../meter-runs.ts";
import type { RunName } from "../storage/d1/run-index.ts";
import { sumUsage, type UsageDimension, type UsageSums } from "../storage/d1/usage.ts";
import { requireTenant } from "./admin.ts";
import { cursorOf, pageOf, placeIn } from "./cursor.ts";
import type { HttpEnv } from "./env.ts";
import { runObject } from "./objects.ts";
import { keyRoute, operatorRoute } from "./route.ts";

export const usageRoutes = [
  keyRoute(
    ["runs", "tenant_admin"],
    {
      method: "GET",
      path: "/v1/usage",
      summary: "What the tenant has used",
      query: usageQuery,
      answer: { status: 200, schema: usagePage, alsoType: "text/csv" },
    },
    ({ env, tenant, query }) => page(env, tenant, query),
  ),

  operatorRoute(
    {
      method: "GET",
      path: "/admin/tenants/:tenant/usage",
      summary: "What a tenant has used, as the tenant itself is told",
      query: usageQuery,
      answer: { status: 200, schema: usagePage, alsoType: "text/csv" },
    },
    async ({ env, params: { tenant }, query }) => {
      await requireTenant(env, tenant);
      return page(env, tenant, query);
    },
  ),

  operatorRoute(
    {
      method: "GET",
      path: "/admin/usage",
      summary: "What all tenants have used, by tenant or otherwise",
      query: allUsageQuery,
      answer: { status: 200, schema: usagePage, alsoType: "text/csv" },
    },
    ({ env, query }) => page(env, undefined, query),
  ),
];

async function page(env: HttpEnv, tenant: string | undefined, query: z.output<typeof usageQuery>) {
  const now = Date.now();
  const { to = (Math.floor(now / hourMs) + 1) * hourMs, by, limit, cursor, format } = query;
  const { from = Math.max(0, Math.floor(to / dayMs - usageDaysDefault) * dayMs) } = query;
  requireSpan(from, to);
  const after = cursor === undefined ? undefined : placeOf(cursor, by);
  // What is asked for is as of now, as far as one pass gets. Of hours that are over, runs have told which have been read beyond them.
  const scope = { ...(tenant !== undefined && { tenant }), ...(to <= now && { before: to }) };
  const meter = (run: RunName) => runObject(env, run.tenant, run.id).meter();
  const { isComplete } = await meterForQuestion(env.DB, meter, scope);
  const range = { from, to, by: dimensionOf(by), limit: limit + 1, ...(after !== undefined && { after }) };
  const found = await sumUsage(env.DB, tenant, range);
  const { rows, next_cursor: next } = pageOf(found, limit, ({ value }) => cursorOf([value]));
  const usage = rows.map((row) => rowView(by, row));
  if (format === "csv") return csv(by, usage, next);
  return { from, to, by, complete: isComplete, usage, next_cursor: next } satisfies UsagePage;
}

function requireSpan(from: number, to: number): void {
  const wrong = (message: string) => Fault.of(fieldFault("from", message));
  if (from >= to) throw wrong("must be before `to`");
  if (to - from > usageDaysMax * dayMs) throw wrong(`at most ${usageDaysMax} days before \`to\``);
}

const dimensionOf = (by: UsageBy): UsageDimension =>
  by.startsWith("label:") ? { label: by.slice("label:".length) } : (by as Exclude<UsageDimension, object>);

const nameOf = (by: UsageBy): string => (by.startsWith("label:") ? "label" : by);

function rowView(by: UsageBy, sums: UsageSums): UsageRowView {
  const { value, nanos, unpriced_tokens, simulated_tokens, task_ms, ...counts } = sums;
  const time = by === "hour" || by === "day";
  const iso = time ? new Date(Number(value)).toISOString() : "";
  return {
    [nameOf(by)]: by === "day" ? iso.slice(0, 10) : by === "hour" ? iso : String(value),
    ...counts,
    unpriced_tokens,
    simulated_tokens,
    cost_usd: nanos / 1e9,
    task_seconds: task_ms / 1000,
  };
}

/** RFC 4180. The next page's cursor, if there is one, stands in a link header. */
function csv(by: UsageBy, rows: readonly UsageRowView[], next: string | null): Response {
  const names = [nameOf(by), ...usageColumns];
  const lines = [names, ...rows.map((row) => names.map((name) => csvCell(row[name])))].map((cells) => cells.join(","));
  const headers = { "content-type": "text/csv; charset=utf-8", ...(next !== null && { "heddle-next-cursor": next }) };
  return new Response(`${lines.join("\r\n")}\r\n`, { headers });
}

/** A time of hours and days, a name of all else: what the other list gave out would be before or after all rows, and the page wrong. */
function placeOf(cursor: string, by: UsageBy): string | number {
  return placeIn(cursor, z.tuple([by === "hour" || by === "day" ? z.number() : z.string()]))[0];
}
