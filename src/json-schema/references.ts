/** What the references of a schema mean, found in a bounded number of steps. */

import { dereference, ignoredKeyword, type Schema, schemaArrayKeyword, schemaMapKeyword } from "@cfworker/json-schema";
import type { Work } from "./work.ts";

/**
 * Schemas by their absolute addresses; each reference is told its own. None where nothing refers to any: most schemas are so, and the library
 * takes ten times as long for the addresses as all else takes that is looked at in a schema.
 * @throws Error where two parts have one address, TooMuchWork
 */
export function schemasIn(schema: Schema, work: Work): Readonly<Record<string, Schema | boolean>> {
  return weigh(schema, work) ? dereference(schema) : {};
}

/**
 * Whether any part has a name or a reference. Spends what the library takes for them, on the same way through the schema: each part gets
 * an address as long as the names that lead there, and what is inside of a part with an `$id` is gone through twice, so that sixty of
 * these inside of one another take for ever.
 *
 * @throws TooMuchWork
 */
function weigh(schema: unknown, work: Work, base = 64, place = 0): boolean {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return false;
  work.spend(32 + (base + place) / 2);
  const { $id, id = "", $ref, $recursiveRef, $anchor } = schema as Readonly<Record<string, unknown>>;
  const name = $id || id;
  const references = [name, $ref, $recursiveRef, $anchor].filter(Boolean);
  for (const reference of references) work.spend(64 + base + 4 * String(reference).length);
  let found = references.length > 0;
  const look = (part: unknown, from: number, at: number) => {
    if (weigh(part, work, from, at)) found = true;
  };
  const isBase = name !== "" && !String(name).startsWith("#");
  if (isBase && place > 0) look(schema, base + lengthOf(name), 0);
  const within = isBase && place === 0 ? base + lengthOf(name) : base;
  for (const [key, part] of Object.entries(schema)) {
    work.spend(1);
    if (ignoredKeyword[key]) continue;
    const here = place + 1 + lengthOf(key);
    const isList = Array.isArray(part);
    if (!isList && !schemaMapKeyword[key]) look(part, within, here);
    else if (!isList || schemaArrayKeyword[key])
      for (const [name, one] of Object.entries(part ?? {})) look(one, within, here + 1 + lengthOf(name));
  }
  return found;
}

/** As it stands in an address at most. */
const lengthOf = (text: unknown): number =>
  typeof text !== "string" ? 16 : /^[\w$.:/-]*$/.test(text) ? text.length : 9 * text.length;
