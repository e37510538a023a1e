/**
 * Who asks: a tenant's key, the operator's secret, or a lease.
 *
 * Keys are looked up in D1 for every request and never cached, so that a revoked one is refused by the very next request.
 * That costs one indexed read; the calls that are many (a worker's) carry leases and need none.
 */

import type { Quotas, Scope } from "../contract/admin-requests.ts";
import { Fault } from "../errors/fault.ts";
import { keyUsedEveryMs } from "../limits.ts";
import { findKey, noteKeyUse } from "../storage/d1/api-keys.ts";
import type { HttpEnv } from "./env.ts";
import type { Exchange } from "./route.ts";
import { deploymentSecret, hex, sameSecret, sha256 } from "./secrets.ts";
import { socketToken } from "./sockets.ts";
import { isTicket, ticketTenant } from "./watch-ticket.ts";

const keyPattern = /^hdl_\w{1,96}$/;

/** As whom the operator stands in the audit log. */
export const operator = "operator";

export interface Holder {
  readonly tenant: string;
  readonly scopes: readonly Scope[];
  /** The key's id. */
  readonly key: string;
  /** What its tenant may use at most. */
  readonly quotas: Quotas;
  /** By its runs, as far as the gate has told. */
  readonly storedBytes: number;
}

/** Whose key it is, if the key has one of `scopes`. @throws Fault unauthorized, forbidden */
export async function holderOf(
  { request, env, options, later }: Pick<Exchange, "request" | "env" | "options" | "later">,
  scopes: readonly Scope[],
): Promise<Holder> {
  const key = bearerOf(request);
  if (!keyPattern.test(key)) throw new Fault("unauthorized", "the key is not one of Heddle's");
  const local = options.localKeys?.keys.find((known) => known.key === key);
  const holder = local ? { ...local, key: "local", quotas: {}, storedBytes: 0 } : await storedHolder(key, env, later);
  if (!scopes.some((scope) => holder.scopes.includes(scope))) {
    throw new Fault("forbidden", `this needs the scope ${scopes.join(" or ")}`);
  }
  return holder;
}

async function storedHolder(text: string, { DB }: HttpEnv, later: Exchange["later"]): Promise<Holder> {
  const found = await findKey(DB, hex(await sha256(text)));
  if (!found) throw new Fault("unauthorized", "the key is unknown or revoked");
  const now = Date.now();
  if (found.expires_at !== null && found.expires_at <= now) {
    throw new Fault("unauthorized", `the key expired at ${new Date(found.expires_at).toISOString()}`);
  }
  if ((found.last_used_at ?? 0) <= now - keyUsedEveryMs) later(noteKeyUse(DB, found.id, now));
  return {
    tenant: found.tenant,
    scopes: found.scopes,
    key: found.id,
    quotas: found.quotas,
    storedBytes: found.stored_bytes,
  };
}

/** Who may watch the run by a socket: by a ticket for just this one, or a key. @throws Fault unauthorized, forbidden */
export async function watcherOf(
  exchange: Parameters<typeof holderOf>[0],
  scopes: readonly Scope[],
  run: string,
): Promise<Holder> {
  const token = socketToken(exchange.request);
  if (token === undefined || !isTicket(token)) return holderOf(exchange, scopes);
  const tenant = await ticketTenant(deploymentSecret(exchange.env), token, run, Date.now());
  return { tenant, scopes, key: "ticket", quotas: {}, storedBytes: 0 };
}

/** @throws Fault unauthorized */
export async function requireOperator({
  request,
  env,
  options,
}: Pick<Exchange, "request" | "env" | "options">): Promise<void> {
  const given = bearerOf(request);
  const secrets = [env.HEDDLE_ADMIN_SECRET, options.localKeys?.operatorSecret];
  for (const secret of secrets) if (secret && (await sameSecret(given, secret))) return;
  throw new Fault("unauthorized", "this needs the operator's secret");
}

/** @throws Fault unauthorized without one */
export function bearerOf(request: Request): string {
  const header = request.headers.get("authorization");
  const brought = header === null ? socketToken(request) : undefined;
  if (brought !== undefined) return brought;
  if (header === null) throw new Fault("unauthorized", "there is no authorization header");
  const token = /^Bearer +(\S+) *$/i.exec(header)?.[1];
  if (token === undefined) throw new Fault("unauthorized", "the authorization header is not a bearer token");
  return token;
}
