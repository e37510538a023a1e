/**
 * What the references of a schema mean, found in a bounded number of steps.
 *
 * The library gives each part an address and makes a URL of each reference, which takes far longer than all else that is looked at in a
 * schema. So it is asked only where a schema gives names to its parts, or refers by other than a plain path within itself; a path is
 * followed here, once, however many references have it.
 */

import { dereference, ignoredKeyword, type Schema, schemaArrayKeyword, schemaMapKeyword } from "@cfworker/json-schema";
import type { Work } from "./work.ts";

type AnySchema = Schema | boolean;

/**
 * Schemas by the references that mean them, or by their absolute addresses, of which each reference is then told its own. None where nothing
 * refers to any: most schemas are so.
 * @throws Error where two parts have one address, TooMuchWork
 */
export function schemasIn(schema: Schema, work: Work): Readonly<Record<string, AnySchema>> {
  const found: Found = { paths: new Set(), isNamed: false };
  weigh(schema, work, found, true);
  if (found.isNamed) return dereference(schema);
  const meant: Record<string, AnySchema> = Object.create(null);
  for (const path of found.paths) {
    const part = partAt(schema, path.split("/").slice(1));
    if (part !== undefined) meant[path] = part;
  }
  return meant;
}

interface Found {
  /** References by a plain path. */
  readonly paths: Set<string>;
  /** There are others, or parts that have names of their own. */
  isNamed: boolean;
}

/** One that reads the same in an address: nothing in it is escaped. */
const plainPath = /^#(?:\/[\w.$-]*)*$/;

/** What the library gives this address: only where schemas are expected there are any. */
function partAt(schema: unknown, path: readonly string[]): AnySchema | undefined {
  if (typeof schema === "boolean") return path.length === 0 ? schema : undefined;
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return undefined;
  const [key, name, ...rest] = path;
  if (key === undefined) return schema as Schema;
  const part: unknown = own(schema, key);
  if (ignoredKeyword[key] || part === undefined) return undefined;
  if (Array.isArray(part) ? !schemaArrayKeyword[key] : !schemaMapKeyword[key])
    return Array.isArray(part) ? undefined : partAt(part, path.slice(1));
  return name === undefined || typeof part !== "object" ? undefined : partAt(own(part, name), rest);
}

const own = (of: object | null, key: string): unknown =>
  of !== null && Object.hasOwn(of, key) ? (of as Record<string, unknown>)[key] : undefined;

/**
 * Spends what the library takes for names and references, on the same way through the schema, and finds them: each part gets
 * an address as long as the names that lead there, and what is inside of a part with an `$id` is gone through twice, so that sixty of
 * these inside of one another take for ever.
 *
 * @throws TooMuchWork
 */
function weigh(schema: unknown, work: Work, found: Found, isWhole = false, base = 64, place = 0): void {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return;
  work.spend(32 + (base + place) / 2);
  const { $id, id = "", $ref, $recursiveRef, $anchor } = schema as Readonly<Record<string, unknown>>;
  const name = $id || id;
  if (name || $ref || $recursiveRef || $anchor)
    for (const reference of [name, $ref, $recursiveRef, $anchor])
      if (reference) work.spend(64 + base + 4 * String(reference).length);
  if ($recursiveRef || $anchor || (name && !(isWhole && isAddress(name)))) found.isNamed = true;
  if (typeof $ref === "string" && plainPath.test($ref)) found.paths.add($ref);
  else if ($ref) found.isNamed = true;
  const look = (part: unknown, from: number, at: number) => weigh(part, work, found, false, from, at);
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
}

/** Where a whole schema is said to be; a path within it is from there, wherever that is. */
const isAddress = (name: unknown): boolean =>
  typeof name === "string" && !name.includes("#") && URL.canParse(name, "https://heddle.invalid");

/** As it stands in an address at most. */
const lengthOf = (text: unknown): number =>
  typeof text !== "string" ? 16 : /^[\w$.:/-]*$/.test(text) ? text.length : 9 * text.length;
