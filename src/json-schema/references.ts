/** What the references of a schema mean, found in a bounded number of steps. */

import { dereference, ignoredKeyword, type Schema, schemaArrayKeyword, schemaMapKeyword } from "@cfworker/json-schema";
import type { Work } from "./work.ts";

/** Schemas by their absolute addresses; each reference is told its own. @throws Error where two parts have one address, TooMuchWork */
export function schemasIn(schema: Schema, work: Work): Readonly<Record<string, Schema | boolean>> {
  weigh(schema, work);
  return dereference(schema);
}

/**
 * Spends what the library takes for it, on the same way through the schema: each part gets an address as long as the names that lead
 * there, and what is inside of a part with an `$id` is gone through twice, so that sixty of these inside of one another take for ever.
 *
 * @throws TooMuchWork
 */
function weigh(schema: unknown, work: Work, base = 64, place = 0): void {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return;
  work.spend(32 + (base + place) / 2);
  const { $id, id = "", $ref, $recursiveRef, $anchor } = schema as Readonly<Record<string, unknown>>;
  const name = $id || id;
  for (const reference of [name, $ref, $recursiveRef, $anchor])
    if (reference) work.spend(64 + base + 4 * String(reference).length);
  const isBase = name !== "" && !String(name).startsWith("#");
  if (isBase && place > 0) weigh(schema, work, base + lengthOf(name), 0);
  const within = isBase && place === 0 ? base + lengthOf(name) : base;
  for (const [key, part] of Object.entries(schema)) {
    work.spend(1);
    if (ignoredKeyword[key]) continue;
    const here = place + 1 + lengthOf(key);
    const isList = Array.isArray(part);
    if (!isList && !schemaMapKeyword[key]) weigh(part, work, within, here);
    else if (!isList || schemaArrayKeyword[key])
      for (const [name, one] of Object.entries(part ?? {})) weigh(one, work, within, here + 1 + lengthOf(name));
  }
}

/** As it stands in an address at most. */
const lengthOf = (text: unknown): number =>
  typeof text !== "string" ? 16 : /^[\w$.:/-]*$/.test(text) ? text.length : 9 * text.length;
