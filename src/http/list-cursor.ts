/**
 * Cursors as they go over the wire: a place in a list, and which list it is a place in.
 *
 * Places of different lists look alike (most are a number), so one given to another list would be taken there, and rows left out without
 * a word. A cursor therefore ends with a tag of its list and filters, `17~1k2j3h4`, and is refused elsewhere. It guards against slips alone: what
 * a key may see is checked whatever cursor it names. Cursors without a tag, as the version before has handed them out, are places as ever.
 */

import { Fault, fieldFault } from "../errors/fault.ts";

/** What a list is asked for: its route, and the request's path parameters and query as they were read. */
export interface ListAsked {
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
}

/** These may be others on the next page: how much and in which form, and of a span of time the ends, which the first page has filled in. */
const free: ReadonlySet<string> = new Set(["limit", "cursor", "format", "from", "to"]);

/** The query with the place that its cursor names. @throws Fault validation_failed for a cursor of another list */
export function withPlace<Query>(asked: ListAsked & { readonly query: Query }): Query {
  const { cursor } = asked.query as { readonly cursor?: unknown };
  const at = typeof cursor === "string" ? cursor.lastIndexOf("~") : -1;
  if (at < 0) return asked.query;
  const [place, tag] = [(cursor as string).slice(0, at), (cursor as string).slice(at + 1)];
  if (tag === tagOf(asked)) return { ...asked.query, cursor: place };
  const message =
    "of another list, or of this one with other filters; give it with the path, order and filters that it came with, or begin without";
  throw Fault.of(fieldFault("cursor", message));
}

/** The cursor of a place in the list that was asked for. */
export const cursorAt = (place: string, asked: ListAsked): string => `${place}~${tagOf(asked)}`;

function tagOf({ path, params, query }: ListAsked): string {
  const filters = Object.entries(query as object)
    .filter(([name, value]) => !free.has(name) && value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return fnv1a(JSON.stringify([path, params, filters])).toString(36);
}

/** FNV-1a, 32 bits. http://www.isthe.com/chongo/tech/comp/fnv */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
