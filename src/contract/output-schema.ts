/**
 * What in a task's `output_schema` no result could ever be held against, so that it is told of when the task is created and not
 * after three replies of a model. Only what is certain: unknown keywords and formats are no errors in JSON Schema.
 */

import type { Schema } from "@cfworker/json-schema";
import { isObject } from "../context/is-object.ts";
import { programOf, UnboundPattern } from "../json-schema/pattern-program.ts";
import { schemasIn } from "../json-schema/references.ts";
import { TooMuchWork, Work } from "../json-schema/work.ts";
import { schemaKnownBytes, schemaPartsMax, schemaPatternsMax, schemasKnownBytes } from "../limits.ts";
import { Lru } from "../lru.ts";

interface Flaw {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const oneSchema = [
  ...["additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"],
  ...["additionalItems", "unevaluatedItems", "unevaluatedProperties"],
];
const manySchemas = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];
const namedSchemas = ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];
const withSchemas: ReadonlySet<string> = new Set([...oneSchema, ...manySchemas, ...namedSchemas]);
const takesList: ReadonlySet<string> = new Set(manySchemas);
const takesNames: ReadonlySet<string> = new Set(namedSchemas);
const isList = (value: unknown): boolean => Array.isArray(value);
const isSchema = (value: unknown): boolean => isObject(value) || typeof value === "boolean";
const isNames = (value: unknown): boolean => Array.isArray(value) && value.every((name) => typeof name === "string");
const isNumber = (value: unknown): boolean => typeof value === "number";
const isText = (value: unknown): boolean => typeof value === "string";

/** What keywords have, where the check would break on anything else, or would hold nothing to be right. */
const forms: ReadonlyMap<string, readonly [is: (value: unknown) => boolean, what: string]> = new Map(
  [
    [["enum"], isList, "a list of values"] as const,
    [["allOf", "anyOf", "oneOf", "prefixItems"], isList, "a list of schemas"] as const,
    [["required"], isNames, "a list of names, beside `properties`"] as const,
    [namedSchemas, isObject, "schemas by their names"] as const,
    [["dependentRequired", "dependencies"], isObject, "an object"] as const,
    [["pattern", "$ref"], isText, "text"] as const,
    [["maximum", "minimum", "multipleOf"], isNumber, "a number"] as const,
    [
      ["exclusiveMaximum", "exclusiveMinimum"],
      isNumber,
      "a number, the bound itself: where draft 4 has true beside `maximum` or `minimum`, it stands in place of that; leave false out",
    ] as const,
    [
      ["maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"],
      isNumber,
      "a number",
    ] as const,
  ].flatMap(([keys, is, what]) => keys.map((key) => [key, [is, what]] as const)),
);

const types = ["array", "boolean", "integer", "null", "number", "object", "string"];

/** What was found of the newest, by their texts: the tasks of a batch often have one schema, or one of a few. */
const known = new Lru<string, { readonly flaw: Flaw | undefined }>(schemasKnownBytes);

/** The first of them; undefined for a schema that can be used. */
export function unusableIn(schema: Record<string, unknown>): Flaw | undefined {
  const text = JSON.stringify(schema);
  const before = known.get(text);
  if (before) return before.flaw;
  const flaw = flawIn(text);
  known.set(text, { flaw }, 2 * text.length + schemaKnownBytes);
  return flaw;
}

function flawIn(text: string): Flaw | undefined {
  const read = meaningOf(text);
  if (!read.ok) return { path: [], message: read.message };
  const { whole, meant } = read;
  const work = new Work(schemaPatternsMax);
  /** Each pattern counts once, though many fields have it. */
  const fit = new Set<string>();
  const unfit = (pattern: string): string | undefined => {
    if (fit.has(pattern)) return undefined;
    fit.add(pattern);
    return unfitPattern(pattern, work);
  };
  const look = (part: unknown, path: readonly (string | number)[]): Flaw | undefined => {
    if (!isObject(part)) return isSchema(part) ? undefined : { path, message: "a schema is an object, true or false" };
    const { type, pattern, $ref } = part;
    const keys = Object.keys(part);
    for (const key of keys) {
      const form = forms.get(key);
      if (form && !form[0](part[key])) return { path: [...path, key], message: `expected ${form[1]}` };
    }
    if (Object.hasOwn(part, "$dynamicRef"))
      return { path: [...path, "$dynamicRef"], message: "this is not followed; refer to the schema with $ref" };
    for (const name of Array.isArray(type) ? type : type === undefined ? [] : [type])
      if (!types.includes(name as string))
        return {
          path: [...path, "type"],
          message: `${shown(name)} is no type; there are ${types.join(", ")}`,
        };
    const unfitText = typeof pattern === "string" ? unfit(pattern) : undefined;
    if (unfitText !== undefined) return { path: [...path, "pattern"], message: unfitText };
    if (typeof $ref === "string" && meant[(part as Schema).__absolute_ref__ ?? $ref] === undefined)
      return { path: [...path, "$ref"], message: "there is nothing there; nothing outside of the schema is fetched" };
    for (const name of isObject(part.patternProperties) ? Object.keys(part.patternProperties) : []) {
      const message = unfit(name);
      if (message !== undefined) return { path: [...path, "patternProperties", name], message };
    }
    for (const key of keys) {
      if (!withSchemas.has(key)) continue;
      const several = takesNames.has(key) || (takesList.has(key) && isList(part[key]));
      const flaw = (several ? within : look)(part[key], [...path, key]);
      if (flaw) return flaw;
    }
    return undefined;
  };
  const within = (parts: unknown, path: readonly (string | number)[]): Flaw | undefined => {
    for (const [key, part] of Object.entries(parts as object)) {
      const flaw = look(part, [...path, Array.isArray(parts) ? Number(key) : key]);
      if (flaw) return flaw;
    }
    return undefined;
  };
  return look(whole, []);
}

const shown = (name: unknown): string => JSON.stringify(name).slice(0, 64);

/** A copy in which each reference has its own address, and what the addresses mean; as the check will find them. */
function meaningOf(
  text: string,
):
  | { readonly ok: true; readonly whole: Schema; readonly meant: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly message: string } {
  const whole = JSON.parse(text) as Schema;
  try {
    return { ok: true, whole, meant: schemasIn(whole, new Work(schemaPartsMax)) };
  } catch (error) {
    const message =
      error instanceof TooMuchWork
        ? "it has too many parts, too long names on the way to them, or too many $id in one another"
        : `the names that it gives its parts can't be used: ${error instanceof Error ? error.message : String(error)}`;
    return { ok: false, message };
  }
}

function unfitPattern(text: string, work: Work): string | undefined {
  try {
    programOf(text, work);
    return undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return "this is no regular expression";
    if (error instanceof UnboundPattern)
      return `no text can be held against this in a bounded time: ${error.message}; write it without`;
    if (error instanceof TooMuchWork) return "the schema's patterns are too large, all together";
    throw error;
  }
}
