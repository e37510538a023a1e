/**
 * A ticket lets whoever has it watch one run, soon: it is signed for tenant, run and time. A page gets it from its own server, and the
 * key stays there. It is read without D1, so it outlives the key that it was asked with, until its time is over.
 */

import { Fault } from "../errors/fault.ts";
import { readToken, signToken } from "./signed-token.ts";

export interface Ticket {
  readonly tenant: string;
  readonly run: string;
  /** Epoch ms; a socket that was opened before stays open. */
  readonly expiresAt: number;
}

type Claim = [tenant: string, run: string, expiresAt: number];

const kind = { prefix: "hdt_", purpose: "heddle watch ticket 1" };

export const isTicket = (token: string): boolean => token.startsWith(kind.prefix);

export const signTicket = (secret: string, { tenant, run, expiresAt }: Ticket): Promise<string> =>
  signToken(secret, kind, [tenant, run, expiresAt] satisfies Claim);

/** The tenant whose ticket for this run it is. @throws Fault unauthorized for one of another run, an old one, or none of ours */
export async function ticketTenant(secret: string, token: string, run: string, now: number): Promise<string> {
  const claim = await readToken<Claim>(secret, kind, token);
  if (claim?.[1] !== run) throw new Fault("unauthorized", "the ticket is not one of this deployment for this run");
  const [tenant, , expiresAt] = claim;
  if (expiresAt <= now) throw new Fault("unauthorized", "the ticket's time is over: ask for another");
  return tenant;
}
