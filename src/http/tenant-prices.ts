/** What models cost a tenant where that differs from the deployment's list: set by the operator, seen by both. */

import type * as z from "zod";
import { parsePriceList, pricesView, tenantPricesBody, tenantPricesView } from "../contract/price-list.ts";
import { Fault } from "../errors/fault.ts";
import { type ListPrice, listPrices } from "../prices/table.ts";
import { auditEntry } from "../storage/d1/audit.ts";
import { pricesOf, setPrices } from "../storage/d1/tenants.ts";
import { operator } from "./access.ts";
import { requireTenant } from "./admin.ts";
import type { HttpEnv } from "./env.ts";
import { keyRoute, operatorRoute } from "./route.ts";

type List = Readonly<Record<string, ListPrice>>;

const path = "/admin/tenants/:tenant/prices";
const answer = { status: 200, schema: tenantPricesView } as const;

export const tenantPricesRoutes = [
  keyRoute(
    ["runs", "tenant_admin"],
    {
      method: "GET",
      path: "/v1/prices",
      summary: "What models cost the tenant's runs",
      answer: { status: 200, schema: pricesView },
    },
    async ({ env, tenant }) => {
      const deployment = parsePriceList(env.HEDDLE_PRICES);
      if (!deployment.ok) throw new Fault("not_ready", `HEDDLE_PRICES can't be read: ${deployment.message}`);
      const prices: z.output<typeof pricesView>["prices"] = {};
      const own = await listOf(env, tenant);
      for (const [from, list] of [
        ["list", listPrices],
        ["deployment", deployment.prices],
        ["tenant", own],
      ] as const)
        for (const [model, price] of Object.entries(list)) prices[model] = { ...price, from };
      return { prices };
    },
  ),

  operatorRoute({ method: "GET", path, summary: "A tenant's own prices", answer }, async ({ env, params }) => ({
    prices: await listOf(env, (await requireTenant(env, params.tenant)).id),
  })),

  operatorRoute(
    {
      method: "PUT",
      path,
      summary: "Set a tenant's own prices, all of them: runs that are created from now on are counted at them",
      body: tenantPricesBody,
      answer,
    },
    async ({ env, params, body: { prices } }) => {
      const { id } = await requireTenant(env, params.tenant);
      await change(env, id, prices);
      return { prices };
    },
  ),

  operatorRoute(
    { method: "DELETE", path, summary: "Take a tenant's own prices away", answer: { status: 204 } },
    async ({ env, params }) => {
      await change(env, (await requireTenant(env, params.tenant)).id, {});
      return null;
    },
  ),
];

const listOf = async (env: HttpEnv, tenant: string): Promise<List> =>
  JSON.parse((await pricesOf(env.DB, tenant)) ?? "{}") as List;

async function change(env: HttpEnv, tenant: string, prices: List): Promise<void> {
  const text = Object.keys(prices).length === 0 ? null : JSON.stringify(prices);
  const act = text === null ? "prices_deleted" : "prices_set";
  const entry = { tenant, actor: operator, act, target: tenant, detail: { models: Object.keys(prices) } } as const;
  await env.DB.batch([setPrices(env.DB, tenant, text), auditEntry(env.DB, { ...entry, created_at: Date.now() })]);
}
