/** The id of a run that is about to be created. */

import { type RunId, runIdOf } from "../ids.ts";
import { sha256 } from "./secrets.ts";

/** Derived from the Idempotency-Key where there is one: the repeat then reaches the same object, which knows its answer. */
export async function newRunId(tenant: string, idempotencyKey: string | undefined): Promise<RunId> {
  if (idempotencyKey === undefined) return runIdOf(crypto.getRandomValues(new Uint8Array(20)));
  return runIdOf(await sha256(`heddle run\n${tenant}\n${idempotencyKey}`));
}
