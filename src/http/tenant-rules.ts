/** Rules that a tenant holds all of its runs to: set by a key of its own, or by the operator. */

import type * as z from "zod";
import { rulesBody, tenantRulesView } from "../contract/rules-requests.ts";
import { sentenceOf } from "../rules/print.ts";
import { auditEntry } from "../storage/d1/audit.ts";
import { countRunsBehind, findTenantRules, putTenantRules } from "../storage/d1/tenant-rules.ts";
import { compiledRow, holdRuns } from "../tenant-rules.ts";
import { operator } from "./access.ts";
import { requireTenant } from "./admin.ts";
import type { HttpEnv } from "./env.ts";
import { runObject } from "./objects.ts";
import { keyRoute, operatorRoute } from "./route.ts";
import { requireRules } from "./rules.ts";

const answer = { status: 200, schema: tenantRulesView } as const;
const mayWrite = ["tenant_admin"] as const;
const mayRead = ["tenant_admin", "runs"] as const;

export const tenantRulesRoutes = [
  keyRoute(
    mayRead,
    { method: "GET", path: "/v1/rules", summary: "The rules that all of the tenant's runs are held to", answer },
    ({ env, tenant }) => view(env, tenant),
  ),
  keyRoute(
    mayWrite,
    {
      method: "PUT",
      path: "/v1/rules",
      summary: "Set the rules that all of the tenant's runs are held to, live ones too",
      body: rulesBody,
      answer,
      problems: ["rules_invalid"],
    },
    ({ env, tenant, key, body }) => set(env, { tenant, actor: key }, body.rules),
  ),
  keyRoute(
    mayWrite,
    { method: "DELETE", path: "/v1/rules", summary: "Take the tenant's rules away", answer: { status: 204 } },
    ({ env, tenant, key }) => remove(env, { tenant, actor: key }),
  ),

  operatorRoute(
    { method: "GET", path: "/admin/tenants/:tenant/rules", summary: "A tenant's rules", answer },
    async ({ env, params }) => view(env, (await requireTenant(env, params.tenant)).id),
  ),
  operatorRoute(
    {
      method: "PUT",
      path: "/admin/tenants/:tenant/rules",
      summary: "Set a tenant's rules",
      body: rulesBody,
      answer,
      problems: ["rules_invalid"],
    },
    async ({ env, params, body }) =>
      set(env, { tenant: (await requireTenant(env, params.tenant)).id, actor: operator }, body.rules),
  ),
  operatorRoute(
    {
      method: "DELETE",
      path: "/admin/tenants/:tenant/rules",
      summary: "Take a tenant's rules away",
      answer: { status: 204 },
    },
    async ({ env, params }) => remove(env, { tenant: (await requireTenant(env, params.tenant)).id, actor: operator }),
  ),
];

interface Actor {
  readonly tenant: string;
  readonly actor: string;
}

async function view(env: HttpEnv, tenant: string): Promise<z.output<typeof tenantRulesView>> {
  const row = await findTenantRules(env.DB, tenant);
  return {
    text: row.rules ?? "",
    rules: compiledRow(row).rules.map(({ line, rule }) => ({ line, rule: sentenceOf(rule) })),
    version: row.version,
    updated_at: row.updated_at,
    runs_behind: row.version === 0 ? 0 : await countRunsBehind(env.DB, tenant, row.version),
  };
}

async function set(env: HttpEnv, { tenant, actor }: Actor, text: string): Promise<z.output<typeof tenantRulesView>> {
  const { rules, notes } = requireRules(text);
  await change(env, { tenant, actor }, text, { rules: rules.length });
  return { ...(await view(env, tenant)), notes: [...notes] };
}

async function remove(env: HttpEnv, actor: Actor): Promise<null> {
  await change(env, actor, null, {});
  return null;
}

/** What is set already is not set again: nobody acted, and no run has to be visited. */
async function change(env: HttpEnv, { tenant, actor }: Actor, text: string | null, detail: object): Promise<void> {
  if ((await findTenantRules(env.DB, tenant)).rules === text) return;
  const now = Date.now();
  const act = text === null ? "rules_deleted" : "rules_set";
  await env.DB.batch([
    putTenantRules(env.DB, tenant, text, now),
    auditEntry(env.DB, { created_at: now, tenant, actor, act, target: tenant, detail: { ...detail } }),
  ]);
  const ports = { db: env.DB, run: (of: string, run: string) => runObject(env, of, run) };
  await holdRuns(ports, tenant, compiledRow(await findTenantRules(env.DB, tenant)));
}
