/** Cursors of the lists that D1 serves, and pages of them. */

import * as z from "zod";
import { Fault, fieldFault } from "../errors/fault.ts";
import { fromBase64url, toBase64url } from "./base64url.ts";

export const badCursor = (): Fault => Fault.of(fieldFault("cursor", "not a cursor of this list"));

/** An opaque cursor of a place that has several parts, or one that is no name. */
export const cursorOf = (place: readonly unknown[]): string =>
  toBase64url(new TextEncoder().encode(JSON.stringify(place)));

/** The place that `cursorOf` was given. @throws Fault validation_failed for a text that no list has given out, or none of this form */
export function placeIn<Place>(cursor: string, form: z.ZodType<Place>): Place {
  try {
    return form.parse(JSON.parse(new TextDecoder().decode(fromBase64url(cursor))));
  } catch {
    throw badCursor();
  }
}

/** In a list that is ordered by (created_at, id). */
export interface Position {
  readonly createdAt: number;
  readonly id: string;
}

const position = z.tuple([z.int(), z.string()]);

/** Undefined: the list's beginning. @throws Fault as `placeIn` */
export function positionOf(cursor: string | undefined): Position | undefined {
  if (cursor === undefined) return undefined;
  const [createdAt, id] = placeIn(cursor, position);
  return { createdAt, id };
}

/** The cursor of a row of such a list. */
export const afterRow = ({ created_at, id }: { readonly created_at: number; readonly id: string }): string =>
  cursorOf([created_at, id]);

/** Of a list that is ordered by a number; 0: its beginning. @throws Fault validation_failed */
export function numberIn(cursor: string | undefined): number {
  if (cursor !== undefined && !/^\d{1,15}$/.test(cursor)) throw badCursor();
  return Number(cursor ?? 0);
}

/** One page: `rows` were asked for with one more than `limit`, whose presence says that there is a next page, `after` its last. */
export function pageOf<Row>(
  rows: readonly Row[],
  limit: number,
  after: (last: Row) => string,
): { rows: Row[]; next_cursor: string | null } {
  const page = rows.slice(0, limit);
  return { rows: page, next_cursor: rows.length > limit ? after(page.at(-1)!) : null };
}
