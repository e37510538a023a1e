/** Answers by Idempotency-Key, for requests whose effect is in D1: the answer is committed in the effect's own batch. */

import { idempotencyMs } from "../../limits.ts";
import { isThere } from "./tenants.ts";

export interface Remembered {
  readonly fingerprint: string;
  readonly answer: string;
}

/** The first answer to this key, while it is kept. */
export const recall = (db: D1Database, keyHash: string, now: number): Promise<Remembered | null> =>
  db
    .prepare("SELECT fingerprint, answer FROM idempotency WHERE key_hash = ? AND created_at > ?")
    .bind(keyHash, now - idempotencyMs)
    .first<Remembered>();

/**
 * Applies `effects` and remembers their answer, all or nothing; `tenant` is whom the answer tells of.
 * False when another request with the same key came first: then nothing was applied, and `recall` has its answer.
 */
export async function applyOnce(
  db: D1Database,
  keyHash: string,
  remembered: Remembered,
  now: number,
  effects: readonly D1PreparedStatement[],
  tenant?: string,
): Promise<boolean> {
  try {
    await db.batch([
      db.prepare("DELETE FROM idempotency WHERE created_at <= ?").bind(now - idempotencyMs),
      db
        .prepare(
          `INSERT INTO idempotency (key_hash, fingerprint, answer, created_at, tenant) SELECT ?1, ?2, ?3, ?4, ?5 WHERE ${isThere("?5")}`,
        )
        .bind(keyHash, remembered.fingerprint, remembered.answer, now, tenant ?? null),
      ...effects,
    ]);
    return true;
  } catch (error) {
    if (await recall(db, keyHash, now)) return false;
    throw error;
  }
}
