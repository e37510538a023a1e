/**
 * A lease's id is a capability: `lse_` + the attempt that it is for + an HMAC over that. Who holds it needs no key, and it
 * opens nothing but that attempt, which the run's object refuses once its fence is old.
 */

import { Fault } from "../errors/fault.ts";
import { isRunId, type RunId } from "../ids.ts";
import { deriveKey, hmac, hmacMatches } from "../signing.ts";
import { fromBase64url, toBase64url } from "./base64url.ts";

export interface LeaseClaim {
  readonly tenant: string;
  readonly run: string;
  readonly taskNumber: number;
  readonly fence: number;
  /** Of a remote tool's call. */
  readonly call?: number;
}

const prefix = "lse_";
const purpose = "heddle lease token 1";
/** Far above what is ever signed: longer texts are not looked at. */
const tokenCharsMax = 512;
const utf8 = new TextEncoder();

export async function signLease(secret: string, { tenant, run, taskNumber, fence, call }: LeaseClaim): Promise<string> {
  const claim = [tenant, run, taskNumber, fence, ...(call === undefined ? [] : [call])];
  const payload = toBase64url(utf8.encode(JSON.stringify(claim)));
  const signature = await hmac(await deriveKey(secret, purpose), payload);
  return `${prefix}${payload}.${toBase64url(signature)}`;
}

/** What the token was signed for. @throws Fault lease_lost for whatever this deployment has not signed */
export async function verifyLease(secret: string, token: string): Promise<LeaseClaim & { readonly run: RunId }> {
  const lost = new Fault("lease_lost", "this is not a lease of this deployment");
  if (!token.startsWith(prefix) || token.length > tokenCharsMax) throw lost;
  const [payload = "", signatureText = "", ...more] = token.slice(prefix.length).split(".");
  const signature = fromBase64url(signatureText);
  const claim = fromBase64url(payload);
  if (!signature || !claim || more.length > 0) throw lost;
  if (!(await hmacMatches(await deriveKey(secret, purpose), signature, payload))) throw lost;
  const [tenant, run, taskNumber, fence, call] = JSON.parse(new TextDecoder().decode(claim)) as [
    string,
    string,
    number,
    number,
    number | undefined,
  ];
  if (!isRunId(run)) throw lost;
  return { tenant, run, taskNumber, fence, ...(call !== undefined && { call }) };
}
