/**
 * A ticket lets whoever has it watch one run, soon: `hdt_` + tenant, run and time + an HMAC over that. A page gets it from its own
 * server, and the key stays there. It is read without D1, so it outlives the key that it was asked with, until its time is over.
 */

import { Fault } from "../errors/fault.ts";
import { ticketCharsMax } from "../limits.ts";
import { deriveKey, hmac, hmacMatches } from "../signing.ts";
import { fromBase64url, toBase64url } from "./base64url.ts";

export interface Ticket {
  readonly tenant: string;
  readonly run: string;
  /** Epoch ms; a socket that was opened before stays open. */
  readonly expiresAt: number;
}

const prefix = "hdt_";
const purpose = "heddle watch ticket 1";

export const isTicket = (token: string): boolean => token.startsWith(prefix);

export async function signTicket(secret: string, { tenant, run, expiresAt }: Ticket): Promise<string> {
  const payload = toBase64url(new TextEncoder().encode(JSON.stringify([tenant, run, expiresAt])));
  const signature = await hmac(await deriveKey(secret, purpose), payload);
  return `${prefix}${payload}.${toBase64url(signature)}`;
}

/** The tenant whose ticket for this run it is. @throws Fault unauthorized for one of another run, an old one, or none of ours */
export async function ticketTenant(secret: string, token: string, run: string, now: number): Promise<string> {
  const refused = new Fault("unauthorized", "the ticket is not one of this deployment for this run");
  if (!isTicket(token) || token.length > ticketCharsMax) throw refused;
  const [payload = "", signatureText = "", ...more] = token.slice(prefix.length).split(".");
  const signature = fromBase64url(signatureText);
  const claim = fromBase64url(payload);
  if (!signature || !claim || more.length > 0) throw refused;
  if (!(await hmacMatches(await deriveKey(secret, purpose), signature, payload))) throw refused;
  const [tenant, named, expiresAt] = JSON.parse(new TextDecoder().decode(claim)) as [string, string, number];
  if (named !== run) throw refused;
  if (expiresAt <= now) throw new Fault("unauthorized", "the ticket's time is over: ask for another");
  return tenant;
}
