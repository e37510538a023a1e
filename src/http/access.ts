/**
 * Who asks: a tenant's key, the operator's secret, or a lease.
 *
 * Keys are looked up in D1 for every request and never cached, so that a revoked one is refused by the very next request.
 * That costs one indexed read; the calls that are many (a worker's) carry leases and need none.
 */

import type { Scope } from "../contract/admin-requests.ts";
import { Fault } from "../errors/fault.ts";
import { findKey } from "../storage/d1/api-keys.ts";
import type { AppOptions, HttpEnv } from "./env.ts";
import { deploymentSecret, hex, sameSecret, sha256 } from "./secrets.ts";
import { socketToken } from "./sockets.ts";
import { isTicket, ticketTenant } from "./watch-ticket.ts";

const keyPattern = /^hdl_\w{1,96}$/;

/** The tenant whose key it is, if the key has one of `scopes`. @throws Fault unauthorized, forbidden */
export async function tenantOf(
  request: Request,
  env: HttpEnv,
  options: AppOptions,
  scopes: readonly Scope[],
): Promise<string> {
  return (await holderOf(request, env, options, scopes)).tenant;
}

/** As `tenantOf`, with all of the key's scopes. */
export async function holderOf(
  request: Request,
  env: HttpEnv,
  options: AppOptions,
  scopes: readonly Scope[],
): Promise<{ readonly tenant: string; readonly scopes: readonly Scope[] }> {
  const key = bearer(request);
  if (!keyPattern.test(key)) throw new Fault("unauthorized", "the key is not one of Heddle's");
  const holder =
    options.localKeys?.keys.find((local) => local.key === key) ?? (await findKey(env.DB, hex(await sha256(key))));
  if (!holder) throw new Fault("unauthorized", "the key is unknown or revoked");
  if (!scopes.some((scope) => holder.scopes.includes(scope))) {
    throw new Fault("forbidden", `this needs the scope ${scopes.join(" or ")}`);
  }
  return holder;
}

/** The tenant whose run a socket may watch: by a ticket for just this run, or a key. @throws Fault unauthorized, forbidden */
export async function watcherOf(
  request: Request,
  env: HttpEnv,
  options: AppOptions,
  { scopes, run }: { readonly scopes: readonly Scope[]; readonly run: string },
): Promise<string> {
  const token = socketToken(request);
  if (token === undefined || !isTicket(token)) return tenantOf(request, env, options, scopes);
  return ticketTenant(deploymentSecret(env), token, run, Date.now());
}

/** @throws Fault unauthorized */
export async function requireOperator(request: Request, env: HttpEnv, options: AppOptions): Promise<void> {
  const given = bearer(request);
  const secrets = [env.HEDDLE_ADMIN_SECRET, options.localKeys?.operatorSecret];
  for (const secret of secrets) if (secret && (await sameSecret(given, secret))) return;
  throw new Fault("unauthorized", "this needs the operator's secret");
}

function bearer(request: Request): string {
  const header = request.headers.get("authorization");
  const brought = header === null ? socketToken(request) : undefined;
  if (brought !== undefined) return brought;
  if (header === null) throw new Fault("unauthorized", "there is no authorization header");
  const token = /^Bearer +(\S+) *$/i.exec(header)?.[1];
  if (token === undefined) throw new Fault("unauthorized", "the authorization header is not a bearer token");
  return token;
}
