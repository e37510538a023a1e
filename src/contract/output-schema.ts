/**
 * What in a task's `output_schema` no result could ever be held against, so that it is told of when the task is created and not
 * after three replies of a model. Only what is certain: unknown keywords and formats are no errors in JSON Schema.
 */

import { programOf, UnboundPattern } from "../json-schema/pattern-program.ts";
import { weigh } from "../json-schema/references.ts";
import { TooMuchWork, Work } from "../json-schema/work.ts";
import { schemaPartsMax, schemaPatternsMax } from "../limits.ts";

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
const types = ["array", "boolean", "integer", "null", "number", "object", "string"];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The first of them; undefined for a schema that can be used. */
export function unusableIn(schema: Record<string, unknown>): Flaw | undefined {
  if (isTooLarge(schema))
    return {
      path: [],
      message: "it has too many parts, too long names on the way to them, or too many $id in one another",
    };
  // Names that it gives to its parts may be what a reference means: then only the validator knows.
  const hasNames = /"\$(?:id|anchor|dynamicAnchor)":/.test(JSON.stringify(schema));
  const refersTo = (ref: string): boolean => hasNames || (ref.startsWith("#") && hasPointer(schema, ref.slice(1)));
  const work = new Work(schemaPatternsMax);
  /** Each pattern counts once, though many fields have it. */
  const fit = new Set<string>();
  const unfit = (pattern: string): string | undefined => {
    if (fit.has(pattern)) return undefined;
    fit.add(pattern);
    return unfitPattern(pattern, work);
  };
  const look = (part: unknown, path: readonly (string | number)[]): Flaw | undefined => {
    if (!isObject(part)) return undefined;
    const has = (key: string) => Object.hasOwn(part, key);
    const { type, pattern, $ref } = part;
    for (const name of Array.isArray(type) ? type : type === undefined ? [] : [type])
      if (!types.includes(name as string))
        return {
          path: [...path, "type"],
          message: `${JSON.stringify(name)} is no type; there are ${types.join(", ")}`,
        };
    const flaw = typeof pattern === "string" ? unfit(pattern) : undefined;
    if (flaw !== undefined) return { path: [...path, "pattern"], message: flaw };
    if (typeof $ref === "string" && !refersTo($ref))
      return { path: [...path, "$ref"], message: "there is nothing there; nothing outside of the schema is fetched" };
    for (const name of isObject(part.patternProperties) ? Object.keys(part.patternProperties) : []) {
      const message = unfit(name);
      if (message !== undefined) return { path: [...path, "patternProperties", name], message };
    }
    return first([
      ...oneSchema.filter(has).map((key) => () => look(part[key], [...path, key])),
      ...manySchemas.filter(has).map((key) => () => within(part[key], [...path, key], Array.isArray(part[key]))),
      ...namedSchemas.filter(has).map((key) => () => within(part[key], [...path, key], isObject(part[key]))),
    ]);
  };
  const within = (parts: unknown, path: readonly (string | number)[], is: boolean): Flaw | undefined =>
    is
      ? first(
          Object.entries(parts as object).map(
            ([key, part]) =>
              () =>
                look(part, [...path, Array.isArray(parts) ? Number(key) : key]),
          ),
        )
      : undefined;
  return look(schema, []);
}

function isTooLarge(schema: Record<string, unknown>): boolean {
  try {
    weigh(schema, new Work(schemaPartsMax));
    return false;
  } catch (error) {
    if (error instanceof TooMuchWork) return true;
    throw error;
  }
}

function first(looks: readonly (() => Flaw | undefined)[]): Flaw | undefined {
  for (const look of looks) {
    const flaw = look();
    if (flaw) return flaw;
  }
  return undefined;
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

/** Whether a JSON pointer, in the form that it has in an address, points at something. */
function hasPointer(schema: unknown, pointer: string): boolean {
  if (pointer === "") return true;
  if (!pointer.startsWith("/")) return false;
  let here = schema;
  for (const segment of pointer.slice(1).split("/")) {
    const name = decoded(segment).replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, name)) return false;
    here = (here as Record<string, unknown>)[name];
  }
  return true;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
