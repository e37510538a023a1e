/** Opaque cursors over (created_at, id), the order of every list that D1 serves. */

import { Fault, fieldFault } from "../errors/fault.ts";
import { fromBase64url, toBase64url } from "./base64url.ts";

export interface Position {
  readonly createdAt: number;
  readonly id: string;
}

const cursorOf = ({ createdAt, id }: Position): string =>
  toBase64url(new TextEncoder().encode(JSON.stringify([createdAt, id])));

/** @throws Fault validation_failed for a text that no list has given out */
export function positionOf(cursor: string): Position {
  const bytes = fromBase64url(cursor);
  try {
    const [createdAt, id, ...more] = JSON.parse(new TextDecoder().decode(bytes ?? new Uint8Array())) as unknown[];
    if (Number.isSafeInteger(createdAt) && typeof id === "string" && more.length === 0) {
      return { createdAt: createdAt as number, id };
    }
  } catch {
    // Not JSON, or not an array: the same answer as below.
  }
  throw badCursor();
}

export const badCursor = (): Fault => Fault.of(fieldFault("cursor", "not a cursor of this list"));

/** One page: `rows` were asked for with one more than `limit`, whose presence says that there is a next page. */
export function pageOf<Row extends { id: string; created_at: number }>(
  rows: Row[],
  limit: number,
): { rows: Row[]; next_cursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { rows: page, next_cursor: more ? cursorOf({ createdAt: last.created_at, id: last.id }) : null };
}
