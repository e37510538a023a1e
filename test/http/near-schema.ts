/**
 * Values in the neighbourhood of a JSON Schema: mostly of the right form with numbers and texts at the edges, and here and there something
 * that is not. So a request gets past one check to meet the next.
 */

import fc from "fast-check";

interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
}

const controls = String.fromCharCode(0, 7, 10, 13, 27, 127, 0x9b, 0x2028, 0x202e);

/** What a cursor could hold. */
const cursors = [
  "[1e999]",
  "[null]",
  '["a"]',
  "[1]",
  '[1,"x"]',
  '[-1,""]',
  "{}",
  '{"a":1}',
  "[[]]",
  "[true]",
  "null",
  '[9007199254740993,"z"]',
  '[0,"task"]',
];

/** Texts that mean something to somebody on the way: SQL, paths, HTML, headers, spreadsheets, prototypes, halves of characters. */
const oddTexts = [
  ...[
    "",
    " ",
    "a",
    "run",
    "box",
    "hosted",
    "0",
    "1",
    "10",
    "-1",
    "1e999",
    "NaN",
    "null",
    "__proto__",
    "constructor",
    "toString",
  ],
  ...["'; DROP TABLE runs; --", "%", "%00", "../../admin", "..%2F", "<script>alert(1)</script>", "{{key}}"],
  ...["=1+1", "x\r\nx-evil: 1", controls, "\ud800", "é".repeat(40), "x".repeat(5000), "wait_AAAA", "lse_e30.AA"],
  ...cursors.map((text) => btoa(text).replaceAll("=", "")),
  ...["https://127.0.0.1/", "http://[::1]:0/", "9".repeat(15), "2026-11-26", "label:a", 'label:"'],
];
export const oddText = fc.oneof(
  fc.constantFrom(...oddTexts),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: "binary" }),
);

const oddNumber = fc.constantFrom(
  ...[0, -0, 1, -1, 0.5, 2 ** 31, 2 ** 53 - 1, 2 ** 53, -(2 ** 53), 1e15, 1e21, 1e308, 5e-324],
);
const odd: fc.Arbitrary<unknown> = fc.oneof(
  ...[oddText, oddNumber, fc.constantFrom(null, true, false, [], {}), fc.jsonValue({ maxDepth: 3 })],
);

export function nearSchema(schema: Schema, root: Schema = schema, depth = 0): fc.Arbitrary<unknown> {
  /** Of a hundred values so many are something else. */
  const maybe = 4;
  return fc.oneof({ weight: 100 - maybe, arbitrary: fitting(schema, root, depth) }, { weight: maybe, arbitrary: odd });
}

function fitting(schema: Schema, root: Schema, depth: number): fc.Arbitrary<unknown> {
  if (depth > 8) return odd;
  const inner = (one: Schema) => nearSchema(one, root, depth + 1);
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split("/").at(-1)!;
    const found = schema.$ref === "#" ? root : root.$defs?.[name];
    return found ? fitting(found, root, depth + 1) : odd;
  }
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map(inner));
  if (schema.allOf) return fc.tuple(...schema.allOf.map(inner)).map((all) => Object.assign({}, ...(all as object[])));
  switch (schema.type) {
    case "object":
      return objects(schema, inner);
    case "array":
      return fc.array(inner(schema.items ?? {}), { maxLength: 3 });
    case "integer":
    case "number":
      return numbers(schema);
    case "string":
      return texts(schema);
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    default:
      return odd;
  }
}

function objects(schema: Schema, inner: (one: Schema) => fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties: more } = schema;
  const fields = fc.record(
    Object.fromEntries(
      Object.entries(properties).map(([name, one]) => [
        name,
        required.includes(name)
          ? inner(one)
          : fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: inner(one) }),
      ]),
    ),
  );
  if (typeof more !== "object") return fields;
  return fc.tuple(fields, fc.dictionary(oddText, inner(more), { maxKeys: 2 })).map(([a, b]) => ({ ...a, ...b }));
}

/** Mostly such as fit, where some are known. */
function texts({ pattern, minLength = 0, maxLength = 1e9 }: Schema): fc.Arbitrary<unknown> {
  const isFit = (text: string) =>
    text.length >= minLength && text.length <= maxLength && (pattern === undefined || new RegExp(pattern).test(text));
  const fit = oddTexts.filter(isFit);
  if (fit.length === 0) return oddText;
  return fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...fit) }, { weight: 1, arbitrary: oddText });
}

function numbers({ minimum, maximum }: Schema): fc.Arbitrary<unknown> {
  const edges = [minimum, maximum].flatMap((edge) => (edge === undefined ? [] : [edge, edge - 1, edge + 1]));
  const least = Math.max(Math.ceil(minimum ?? 0), -1000);
  return fc.oneof(
    oddNumber,
    fc.constantFrom(...edges, 1),
    fc.integer({ min: least, max: Math.min(maximum ?? 1000, least + 1000) }),
  );
}
