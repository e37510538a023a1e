/** The operator's door: tenants, from their creation to the end of all that they have. */

import { createTenantBody, type Quotas, quotasBody } from "../contract/admin-requests.ts";
import { pageQuery } from "../contract/paging.ts";
import { tenantsPage, tenantView } from "../contract/tenant-responses.ts";
import { Fault } from "../errors/fault.ts";
import { base32 } from "../ids.ts";
import { auditEntry } from "../storage/d1/audit.ts";
import { countRuns } from "../storage/d1/run-index.ts";
import {
  beginTenantDeletion,
  findTenant,
  insertTenant,
  listTenants,
  setQuotas,
  type TenantRow,
} from "../storage/d1/tenants.ts";
import { deleteTenantStep } from "../tenant-deletion.ts";
import { operator } from "./access.ts";
import { afterRow, pageOf, positionOf } from "./cursor.ts";
import type { HttpEnv } from "./env.ts";
import { gateObject, runObject } from "./objects.ts";
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
      const tenant: TenantRow = {
        ...{ id: adminId("ten"), name: body.name, created_at: Date.now(), deleting_at: null, deleted_at: null },
        quotas: null,
      };
      const { id, created_at } = tenant;
      const act = { created_at, tenant: id, actor: operator, act: "tenant_created", target: id, detail: body } as const;
      return once(env.DB, idem, {
        row: viewOf(tenant),
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
      const after = positionOf(query.cursor);
      const { rows, next_cursor } = pageOf(await listTenants(env.DB, query.limit + 1, after), query.limit, afterRow);
      return { tenants: rows.map(viewOf), next_cursor };
    },
  ),

  operatorRoute(
    { method: "GET", path: "/admin/tenants/:tenant", summary: "A tenant", answer: { status: 200, schema: tenantView } },
    async ({ env, params }) => progressOf(env, await findOrRefuse(env, params.tenant)),
  ),

  operatorRoute(
    {
      method: "PUT",
      path: "/admin/tenants/:tenant/quotas",
      summary: "Set what a tenant may use at most, all of it; what is left out has no bound",
      body: quotasBody,
      answer: { status: 200, schema: tenantView },
    },
    async ({ env, params: { tenant }, body }) => {
      await requireTenant(env, tenant);
      const act = { tenant, actor: operator, act: "quotas_set", target: tenant, detail: body } as const;
      await env.DB.batch([setQuotas(env.DB, tenant, body), auditEntry(env.DB, { ...act, created_at: Date.now() })]);
      // Runs that wait for more go on with their next question.
      await gateObject(env, tenant).quotasChanged();
      return viewOf(await requireTenant(env, tenant));
    },
  ),

  operatorRoute(
    {
      method: "DELETE",
      path: "/admin/tenants/:tenant",
      summary: "Delete a tenant with everything it has; a repeat carries on, and so does Heddle by itself",
      answer: { status: 202, schema: tenantView },
    },
    async ({ env, params: { tenant } }) => {
      const { deleting_at, deleted_at } = await findOrRefuse(env, tenant);
      if (deleting_at === null) await beginTenantDeletion(env.DB, tenant, operator, Date.now());
      const ports = {
        db: env.DB,
        run: (of: string, run: string) => runObject(env, of, run),
        gate: (of: string) => gateObject(env, of),
      };
      if (deleted_at === null) await deleteTenantStep(ports, tenant);
      return progressOf(env, await findOrRefuse(env, tenant));
    },
  ),
];

const viewOf = ({ quotas, ...row }: TenantRow) => ({
  ...row,
  quotas: JSON.parse(quotas ?? "{}") as Quotas,
  status: row.deleted_at !== null ? "deleted" : row.deleting_at !== null ? "deleting" : "active",
});

const progressOf = async (env: HttpEnv, row: TenantRow) => ({
  ...viewOf(row),
  ...(row.deleting_at !== null && { runs_left: await countRuns(env.DB, row.id) }),
});

async function findOrRefuse(env: HttpEnv, id: string): Promise<TenantRow> {
  const tenant = await findTenant(env.DB, id);
  if (!tenant) throw new Fault("not_found", "there is no such tenant");
  return tenant;
}

/** A tenant that is there for good. @throws Fault not_found, tenant_deleted */
export async function requireTenant(env: HttpEnv, id: string): Promise<TenantRow> {
  const tenant = await findOrRefuse(env, id);
  if (tenant.deleting_at !== null) throw new Fault("tenant_deleted");
  return tenant;
}
