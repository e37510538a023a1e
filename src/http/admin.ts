/** The operator's door: tenants. */

import { createTenantBody } from "../contract/admin-requests.ts";
import { pageQuery } from "../contract/paging.ts";
import { tenantsPage, tenantView } from "../contract/responses.ts";
import { Fault } from "../errors/fault.ts";
import { base32 } from "../ids.ts";
import { auditEntry } from "../storage/d1/audit.ts";
import { findTenant, insertTenant, listTenants, type TenantRow } from "../storage/d1/tenants.ts";
import { operator } from "./access.ts";
import { pageOf, positionOf } from "./cursor.ts";
import type { HttpEnv } from "./env.ts";
import { once } from "./once.ts";
import { operatorRoute } from "./route.ts";

export const adminId = (prefix: string): string =>
  `${prefix}_${base32(crypto.getRandomValues(new Uint8Array(16)), 16)}`;

export const adminRoutes = [
  operatorRoute(
    {
      method: "POST",
      path: "/admin/tenants",
      summary: "Create a tenant",
      body: createTenantBody,
      answer: { status: 201, schema: tenantView },
    },
    ({ env, body, idem }) => {
      const tenant: TenantRow = { id: adminId("ten"), name: body.name, created_at: Date.now() };
      const { id, created_at } = tenant;
      const act = { created_at, tenant: id, actor: operator, act: "tenant_created", target: id, detail: body } as const;
      return once(env.DB, idem, {
        row: tenant,
        effects: [insertTenant(env.DB, tenant), auditEntry(env.DB, act)],
        tenant: id,
      });
    },
  ),

  operatorRoute(
    {
      method: "GET",
      path: "/admin/tenants",
      summary: "List tenants, oldest first",
      query: pageQuery,
      answer: { status: 200, schema: tenantsPage },
    },
    async ({ env, query }) => {
      const after = query.cursor === undefined ? undefined : positionOf(query.cursor);
      const { rows, next_cursor } = pageOf(await listTenants(env.DB, query.limit + 1, after), query.limit);
      return { tenants: rows, next_cursor };
    },
  ),

  operatorRoute(
    { method: "GET", path: "/admin/tenants/:tenant", summary: "A tenant", answer: { status: 200, schema: tenantView } },
    ({ env, params }) => requireTenant(env, params.tenant),
  ),
];

/** @throws Fault not_found */
export async function requireTenant(env: HttpEnv, id: string): Promise<TenantRow> {
  const tenant = await findTenant(env.DB, id);
  if (!tenant) throw new Fault("not_found", "there is no such tenant");
  return tenant;
}
