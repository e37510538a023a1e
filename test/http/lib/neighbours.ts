/** Requests in the neighbourhood of what a schema takes: samples of it, and the same with something in them wrong. */

import fc from "fast-check";
import * as z from "zod";

type Json = fc.JsonValue;
interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly Json[];
  readonly const?: Json;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Names that mean something somewhere, and texts that mean harm. None is an address that anybody could call. */
const texts = fc.oneof(
  fc.constantFrom(
    ...["", " ", "a", "root", "hosted", "full", "none", "run_00000000000000000000", "T1-000000", "0", "-1", "1e999"],
    ...["__proto__", "constructor", "../..", "%2e%2e", "a\u0000b", "\ud800", "‮", "'; DROP TABLE runs; --", "{{a}}"],
    ...[
      "<script>",
      "=1+1",
      "\r\nx-a: b",
      "{{{{",
      "```sim\n{\n```",
      "https://127.0.0.1/",
      "http://[::1]/",
      "file:///etc",
    ],
  ),
  fc.string({ maxLength: 20 }),
);
const numbers = fc.oneof(
  fc.constantFrom(0, -1, 1, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308, 0.5, -0),
  fc.integer({ min: 0, max: 100 }),
);
const anything = fc.oneof(texts, numbers, fc.constantFrom(null, true, false, [], {}), fc.jsonValue({ maxDepth: 2 }));

/** The schema of what a route takes. */
export const schemaOf = (type: z.ZodType): Schema =>
  z.toJSONSchema(type, { io: "input", unrepresentable: "any", reused: "inline" }) as Schema;

/** What mostly fits the schema. */
function sample(schema: Schema, root: Schema, depth = 0): fc.Arbitrary<Json> {
  if (depth > 6) return fc.constant(null);
  if (schema.$ref) {
    const name = schema.$ref.replace("#/$defs/", "");
    return sample(schema.$ref === "#" ? root : (root.$defs?.[name] ?? {}), root, depth + 1);
  }
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const some = schema.anyOf ?? schema.oneOf;
  if (some) return fc.oneof(...some.map((one) => sample(one, root, depth + 1)));
  if (schema.allOf) return sample(Object.assign({}, ...schema.allOf) as Schema, root, depth + 1);
  const type = typeof schema.type === "string" ? schema.type : schema.type?.[0];
  switch (type) {
    case "object": {
      const fields = Object.entries(schema.properties ?? {}).map(([name, one]) => [name, sample(one, root, depth + 1)]);
      return fc.record(Object.fromEntries(fields) as Record<string, fc.Arbitrary<Json>>, {
        requiredKeys: [...(schema.required ?? [])],
      }) as fc.Arbitrary<Json>;
    }
    case "array":
      return fc.array(sample(schema.items ?? {}, root, depth + 1), { maxLength: 3 }) as fc.Arbitrary<Json>;
    case "integer":
    case "number":
      return fc.oneof(
        fc.integer({
          min: Math.max(-1000, Math.ceil(schema.minimum ?? 0)),
          max: Math.max(Math.ceil(schema.minimum ?? 0), Math.min(1000, Math.floor(schema.maximum ?? 1000))),
        }),
        fc.constantFrom(schema.minimum ?? 0, schema.maximum ?? 1),
      );
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "string":
      return texts;
    default:
      return anything as fc.Arbitrary<Json>;
  }
}

/** One thing in it is another, is missing, or is too much. */
function spoilt(value: Json, at: number, how: number, by: Json): Json {
  if (typeof value !== "object" || value === null) return by;
  const keys = Object.keys(value);
  if (Array.isArray(value)) {
    if (keys.length === 0) return [by];
    const i = at % keys.length;
    return value.map((one, j) => (j === i ? spoilt(one as Json, at >> 2, how, by) : one)) as Json;
  }
  if (keys.length === 0 || how === 0) return { ...value, [typeof by === "string" ? by : "extra"]: by };
  const key = keys[at % keys.length]!;
  if (how === 1) return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key)) as Json;
  const inner = (value as Record<string, Json>)[key]!;
  return { ...value, [key]: how === 2 ? by : spoilt(inner, at >> 2, how, by) };
}

export function bodies(schema: Schema): fc.Arbitrary<Json> {
  const good = sample(schema, schema);
  const bad = fc
    .tuple(good, fc.nat(1000), fc.nat(3), anything)
    .map(([value, at, how, by]) => spoilt(value, at, how, by as Json));
  return fc.oneof(good, { weight: 3, arbitrary: bad }, anything as fc.Arbitrary<Json>);
}

export const segments = texts;

/** A query, of the names that the route knows and others. */
export const queries = (schema: Schema | undefined): fc.Arbitrary<string> =>
  fc
    .array(fc.tuple(fc.constantFrom(...Object.keys(schema?.properties ?? {}), "x"), texts), { maxLength: 3 })
    .map((pairs) => {
      const query = new URLSearchParams();
      for (const [name, value] of pairs) query.append(name, value);
      return pairs.length === 0 ? "" : `?${query}`;
    });
