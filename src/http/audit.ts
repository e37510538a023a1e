/** The audit log: whole for the operator, its own part for a tenant. */

import { auditQuery } from "../contract/admin-requests.ts";
import { pageQuery } from "../contract/paging.ts";
import { auditPage } from "../contract/tenant-responses.ts";
import { listAudit } from "../storage/d1/audit.ts";
import { numberIn, pageOf } from "./cursor.ts";
import { keyRoute, operatorRoute } from "./route.ts";

const answer = { status: 200, schema: auditPage } as const;

export const auditRoutes = [
  operatorRoute(
    {
      method: "GET",
      path: "/admin/audit",
      summary: "Administrative acts, oldest first",
      query: auditQuery,
      answer,
    },
    ({ env, query }) => page(env.DB, query.tenant, query),
  ),

  keyRoute(
    ["tenant_admin"],
    {
      method: "GET",
      path: "/v1/audit",
      summary: "Administrative acts on the key's own tenant, oldest first",
      query: pageQuery,
      answer,
    },
    ({ env, tenant, query }) => page(env.DB, tenant, query),
  ),
];

async function page(
  db: D1Database,
  tenant: string | undefined,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string },
) {
  const found = await listAudit(db, tenant, limit + 1, numberIn(cursor));
  const { rows, next_cursor } = pageOf(found, limit, ({ id }) => String(id));
  return { entries: rows, next_cursor };
}
