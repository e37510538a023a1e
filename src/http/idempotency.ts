/** The Idempotency-Key of a POST, with the fingerprint of what it was sent with. */

import { idempotencyKeyExpected, isIdempotencyKey } from "../contract/idempotency-keys.ts";
import { Fault, fieldFault } from "../errors/fault.ts";
import type { Idem } from "../objects/rpc.ts";
import { hex, sha256 } from "./secrets.ts";

/** Undefined without the header. @throws Fault validation_failed for a key that is none */
export async function readIdem(request: Request, url: URL, body: Uint8Array<ArrayBuffer>): Promise<Idem | undefined> {
  const key = request.headers.get("idempotency-key");
  if (key === null) return undefined;
  if (!isIdempotencyKey(key)) throw Fault.of(fieldFault("Idempotency-Key", idempotencyKeyExpected));
  const bodyHash = hex(await sha256(body));
  return { key, fingerprint: hex(await sha256(`${request.method} ${url.pathname} ${bodyHash}`)) };
}
