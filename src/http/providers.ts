/** A tenant's credentials at model providers: by a key of its own, or by the operator. What was set is never shown again. */

import type * as z from "zod";
import { pageQuery } from "../contract/paging.ts";
import { credentialName, putProviderBody } from "../contract/provider-requests.ts";
import { providerAnswer, providersPage, resealedView } from "../contract/tenant-responses.ts";
import { refusedAddress } from "../contract/tool-address.ts";
import { Fault, fieldFault } from "../errors/fault.ts";
import {
  credentialsPerTenantMax,
  pageRowsMax,
  resealMax,
  secretCharsMin,
  shownKeyCharsMin,
  unreadableShownMax,
} from "../limits.ts";
import { seal, secretId, unseal } from "../sealing.ts";
import { type AuditEntry, auditEntry } from "../storage/d1/audit.ts";
import {
  boundTo,
  type CredentialRow,
  countCredentials,
  deleteCredential,
  findCredential,
  listCredentials,
  putCredential,
  resealCredential,
  sealedByOthers,
} from "../storage/d1/credentials.ts";
import { operator } from "./access.ts";
import { requireTenant } from "./admin.ts";
import { validate } from "./body.ts";
import { badCursor, pageOf } from "./cursor.ts";
import type { HttpEnv } from "./env.ts";
import { keyRoute, operatorRoute } from "./route.ts";

const one = { status: 200, schema: providerAnswer } as const;
const list = { status: 200, schema: providersPage } as const;
const setProblems = ["not_configured"] as const;
const mayWrite = ["tenant_admin"] as const;
const mayRead = ["tenant_admin", "runs"] as const;

export const providerRoutes = [
  keyRoute(
    mayRead,
    {
      method: "GET",
      path: "/v1/providers",
      summary: "The tenant's credentials, by name",
      query: pageQuery,
      answer: list,
    },
    ({ env, tenant, query }) => page(env, tenant, query),
  ),
  keyRoute(
    mayRead,
    { method: "GET", path: "/v1/providers/:name", summary: "A credential; never its key", answer: one },
    ({ env, tenant, params }) => requireCredential(env, tenant, params.name),
  ),
  keyRoute(
    mayWrite,
    {
      method: "PUT",
      path: "/v1/providers/:name",
      summary: "Set a credential: its key, and all else",
      body: putProviderBody,
      answer: one,
      problems: setProblems,
    },
    ({ env, tenant, key, params, body }) => put(env, { tenant, actor: key }, params.name, body),
  ),
  keyRoute(
    mayWrite,
    { method: "DELETE", path: "/v1/providers/:name", summary: "Delete a credential", answer: { status: 204 } },
    ({ env, tenant, key, params }) => remove(env, { tenant, actor: key }, params.name),
  ),

  operatorRoute(
    {
      method: "GET",
      path: "/admin/tenants/:tenant/providers",
      summary: "A tenant's credentials, by name",
      query: pageQuery,
      answer: list,
    },
    async ({ env, params, query }) => page(env, (await requireTenant(env, params.tenant)).id, query),
  ),
  operatorRoute(
    {
      method: "PUT",
      path: "/admin/tenants/:tenant/providers/:name",
      summary: "Set a tenant's credential",
      body: putProviderBody,
      answer: one,
      problems: setProblems,
    },
    async ({ env, params, body }) =>
      put(env, { tenant: (await requireTenant(env, params.tenant)).id, actor: operator }, params.name, body),
  ),
  operatorRoute(
    {
      method: "DELETE",
      path: "/admin/tenants/:tenant/providers/:name",
      summary: "Delete a tenant's credential",
      answer: { status: 204 },
    },
    async ({ env, params }) =>
      remove(env, { tenant: (await requireTenant(env, params.tenant)).id, actor: operator }, params.name),
  ),
  operatorRoute(
    {
      method: "POST",
      path: "/admin/providers/reseal",
      anew: true,
      summary: "Seal credentials anew that an earlier HEDDLE_CREDENTIALS_KEY sealed",
      answer: { status: 200, schema: resealedView },
      problems: setProblems,
    },
    ({ env }) => reseal(env),
  ),
];

interface Actor {
  readonly tenant: string;
  readonly actor: string;
}

async function page(env: HttpEnv, tenant: string, { limit, cursor }: { limit: number; cursor?: string }) {
  if (cursor !== undefined && !credentialName.safeParse(cursor).success) throw badCursor();
  const found = await listCredentials(env.DB, tenant, limit + 1, cursor);
  const { rows, next_cursor } = pageOf(found, limit, ({ name }) => name);
  return { providers: rows, next_cursor };
}

async function requireCredential(env: HttpEnv, tenant: string, name: string): Promise<CredentialRow> {
  const found = await findCredential(env.DB, tenant, name);
  if (!found) throw new Fault("not_found", "the tenant has no credential of this name");
  return found;
}

async function put(
  env: HttpEnv,
  { tenant, actor }: Actor,
  text: string,
  body: z.output<typeof putProviderBody>,
): Promise<CredentialRow> {
  const name = validate(credentialName, text, "name");
  const base_url = body.base_url ?? null;
  if (base_url !== null) requireAddress(base_url, env);
  const secret = sealingSecret(env);
  if (
    !(await findCredential(env.DB, tenant, name)) &&
    (await countCredentials(env.DB, tenant)) >= credentialsPerTenantMax
  )
    throw new Fault("validation_failed", `the tenant has ${credentialsPerTenantMax} credentials; delete one first`);
  const { format, key } = body;
  const now = Date.now();
  const last4 = key.length < shownKeyCharsMin ? "" : key.slice(-4);
  const shown = { name, format, base_url, model: body.model ?? null, last4, updated_at: now };
  const sealed = await seal(secret, key, boundTo(tenant, shown));
  await env.DB.batch([
    // A run names the servers that it uses: there is no default.
    ...putCredential(env.DB, tenant, { ...shown, ...sealed }, format === "mcp" ? false : body.default),
    auditEntry(env.DB, acted(now, tenant, actor, "credential_set", name, { format, base_url, last4 })),
  ]);
  return requireCredential(env, tenant, name);
}

async function remove(env: HttpEnv, { tenant, actor }: Actor, name: string): Promise<null> {
  const { format } = await requireCredential(env, tenant, name);
  await env.DB.batch([
    deleteCredential(env.DB, tenant, name),
    auditEntry(env.DB, acted(Date.now(), tenant, actor, "credential_deleted", name, { format })),
  ]);
  return null;
}

/** What can't be opened stays as it is: the secret may come back. All of it is passed over, however much, to what can be opened behind it. */
async function reseal(env: HttpEnv): Promise<z.output<typeof resealedView>> {
  const secret = sealingSecret(env);
  const id = await secretId(secret);
  const unreadable: { tenant: string; name: string }[] = [];
  let sealed = 0;
  let left = false;
  for await (const row of everySealedByOthers(env.DB, id)) {
    left = sealed >= resealMax;
    if (left) break;
    const { tenant, name } = row;
    const key = await unseal(env, row, boundTo(tenant, row));
    if (key === undefined) unreadable.push({ tenant, name });
    else if (await resealCredential(env.DB, row, await seal(secret, key, boundTo(tenant, row)))) sealed++;
  }
  const detail = { sealed, unreadable: unreadable.length };
  await auditEntry(env.DB, acted(Date.now(), null, operator, "credentials_reencrypted", id, detail)).run();
  return { sealed, left, unreadable: unreadable.slice(0, unreadableShownMax) };
}

async function* everySealedByOthers(db: D1Database, id: string) {
  for (let page = await sealedByOthers(db, id, pageRowsMax); page.length > 0; ) {
    yield* page;
    page = page.length < pageRowsMax ? [] : await sealedByOthers(db, id, pageRowsMax, page.at(-1));
  }
}

const acted = (
  created_at: number,
  tenant: string | null,
  actor: string,
  act: AuditEntry["act"],
  target: string,
  detail: AuditEntry["detail"],
): AuditEntry => ({ created_at, tenant, actor, act, target, detail });

/** @throws Fault not_configured */
function sealingSecret({ HEDDLE_CREDENTIALS_KEY: secret = "" }: HttpEnv): string {
  if (secret.length >= secretCharsMin) return secret;
  throw new Fault("not_configured", `the secret HEDDLE_CREDENTIALS_KEY (at least ${secretCharsMin} characters)`);
}

/** @throws Fault validation_failed */
function requireAddress(text: string, { HEDDLE_BOOT }: HttpEnv): void {
  const message =
    refusedAddress(text, { local: HEDDLE_BOOT !== undefined }) ??
    (/[?#]/.test(text) ? "expected no query and no fragment: paths are added to it" : undefined);
  if (message !== undefined) throw Fault.of(fieldFault("base_url", message));
}
