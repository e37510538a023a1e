/**
 * A lease's id is a capability: it is signed for an attempt. Who holds it needs no key, and it opens nothing but that attempt, which the
 * run's object refuses once its fence is old.
 */

import { Fault } from "../errors/fault.ts";
import { isRunId, type RunId } from "../ids.ts";
import { readToken, signToken } from "./signed-token.ts";

export interface LeaseClaim {
  readonly tenant: string;
  readonly run: string;
  readonly taskNumber: number;
  readonly fence: number;
  /** Of a remote tool's call. */
  readonly call?: number;
}

type Claim = [tenant: string, run: string, taskNumber: number, fence: number, call?: number];

const kind = { prefix: "lse_", purpose: "heddle lease token 1" };

export function signLease(secret: string, { tenant, run, taskNumber, fence, call }: LeaseClaim): Promise<string> {
  const claim: Claim = [tenant, run, taskNumber, fence];
  if (call !== undefined) claim.push(call);
  return signToken(secret, kind, claim);
}

/** What the token was signed for. @throws Fault lease_lost for whatever this deployment has not signed */
export async function verifyLease(secret: string, token: string): Promise<LeaseClaim & { readonly run: RunId }> {
  const claim = await readToken<Claim>(secret, kind, token);
  if (claim) {
    const [tenant, run, taskNumber, fence, call] = claim;
    if (isRunId(run)) return { tenant, run, taskNumber, fence, ...(call !== undefined && { call }) };
  }
  throw new Fault("lease_lost", "this is not a lease of this deployment");
}
