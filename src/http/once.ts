/** Effects in D1 of the operator's requests: applied once for each Idempotency-Key. */

import { Fault } from "../errors/fault.ts";
import type { Idem } from "../objects/rpc.ts";
import { applyOnce, recall } from "../storage/d1/idempotency.ts";
import { hex, sha256 } from "./secrets.ts";

interface Once<Row> {
  /** What is answered: without secrets, since it is stored. */
  readonly row: Row;
  /** Applied together, or not at all. */
  readonly effects: readonly D1PreparedStatement[];
  /** Whom the answer tells of. */
  readonly tenant: string;
  /** Looked at before the first time only. @throws Fault */
  readonly check?: () => Promise<void>;
}

/** Applies the effects and answers `row`; a repeated Idempotency-Key gets the first row and has no effect. */
export async function once<Row>(
  db: D1Database,
  idem: Idem | undefined,
  { row, effects, tenant, check = async () => {} }: Once<Row>,
): Promise<Row> {
  if (!idem) {
    await check();
    await db.batch([...effects]);
    return row;
  }
  const keyHash = hex(await sha256(`admin\n${idem.key}`));
  const now = Date.now();
  const first = async (): Promise<Row | undefined> => {
    const known = await recall(db, keyHash, now);
    if (known && known.fingerprint !== idem.fingerprint) throw new Fault("idempotency_mismatch");
    return known ? (JSON.parse(known.answer) as Row) : undefined;
  };
  const known = await first();
  if (known) return known;
  await check();
  const remembered = { fingerprint: idem.fingerprint, answer: JSON.stringify(row) };
  if (await applyOnce(db, keyHash, remembered, now, effects, tenant)) return row;
  return (await first()) ?? row;
}
