/** A value is held against a schema as the library holds it, in a bounded number of steps. */

import { type Schema, Validator } from "@cfworker/json-schema";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mismatches } from "../../src/json-schema/check.ts";
import { schemaErrorsShown } from "../../src/limits.ts";

const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
const said = (schema: object, value: unknown) => mismatches(copy(schema), value).map(({ error }) => error);
const libraryTakes = (schema: object, value: unknown) =>
  new Validator(copy(schema) as Schema, "2020-12", false).validate(value).valid;

const keys = fc.constantFrom("a", "b", "c/d", "#");
const small = fc.integer({ min: 0, max: 3 });
const leaf = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, "", "a", "ab", "b", "2026-01-01", "x@y.z"),
  fc.constantFrom(0, 1, 2, 3, 0.5, -1, 0.3),
);
const { value: values } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(keys, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

const types = ["array", "boolean", "integer", "null", "number", "object", "string"];
const { schema: schemas } = fc.letrec<{ schema: object | boolean }>((tie) => {
  const one = tie("schema");
  const some = fc.array(one, { minLength: 1, maxLength: 3 });
  const named = fc.dictionary(keys, one, { maxKeys: 3, noNullPrototype: true });
  const subschema: Record<string, fc.Arbitrary<unknown>> = {
    ...{ anyOf: some, allOf: some, oneOf: some, not: one },
    ...Object.fromEntries(["if", "then", "else"].map((keyword) => [keyword, one])),
    ...{ properties: named, additionalProperties: one, unevaluatedProperties: one, propertyNames: one },
    ...{ patternProperties: fc.dictionary(fc.constantFrom("^a", "b$", "."), one, { noNullPrototype: true }) },
    ...{ dependentSchemas: named, dependencies: named, prefixItems: some, items: fc.oneof(one, some) },
    ...{ additionalItems: one, unevaluatedItems: one, contains: one },
  };
  const plain: Record<string, fc.Arbitrary<unknown>> = {
    type: fc.oneof(fc.constantFrom(...types), fc.array(fc.constantFrom(...types), { minLength: 1, maxLength: 2 })),
    ...{ const: values, enum: fc.array(values, { minLength: 1, maxLength: 3 }) },
    ...{ required: fc.array(keys, { maxLength: 2 }), minProperties: small, maxProperties: small },
    dependentRequired: fc.dictionary(keys, fc.array(keys, { maxLength: 2 }), { noNullPrototype: true }),
    ...{ minItems: small, maxItems: small, minContains: small, maxContains: small, uniqueItems: fc.boolean() },
    ...{ minimum: small, maximum: small, exclusiveMinimum: small, exclusiveMaximum: small },
    multipleOf: fc.constantFrom(0.1, 1, 2, 0.5),
    ...{ minLength: small, maxLength: small, pattern: fc.constantFrom("^a", "b$", "^.{2}$") },
    format: fc.constantFrom("date", "email", "uri", "unheard-of"),
    $ref: fc.constantFrom("#/$defs/a", "#/$defs/b"),
  };
  const keywords = (from: Record<string, fc.Arbitrary<unknown>>, maxLength: number) =>
    fc
      .uniqueArray(fc.constantFrom(...Object.keys(from)), { maxLength })
      .chain((names) =>
        fc.record(Object.fromEntries(names.map((name) => [name, from[name]!])), { noNullPrototype: true }),
      );
  return {
    schema: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.boolean(),
      keywords(plain, 2),
      fc.tuple(keywords(plain, 2), keywords(subschema, 3)).map(([own, parts]) => ({ ...own, ...parts })),
    ),
  };
});

const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`);
const listed = ["dependentRequired", "dependencies"];

describe("a value", () => {
  it("matches what it matches by the library", () => {
    const $defs = {
      a: { type: "object", additionalProperties: false, properties: { a: { minimum: 1 } } },
      b: { type: "array" },
    };
    fc.assert(
      fc.property(schemas, fc.array(values, { minLength: 1, maxLength: 4 }), (part, several) => {
        const schema = { ...(typeof part === "object" ? part : { allOf: [part] }), $defs };
        for (const value of several) {
          const wrong = said(schema, value);
          expect(wrong.length).toBeLessThanOrEqual(schemaErrorsShown);
          expect([schema, value, wrong.length === 0]).toEqual([schema, value, libraryTakes(schema, value)]);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("is told of with its place, the innermost last", () => {
    const schema = { properties: { list: { items: { required: ["id"] } } } };
    expect(mismatches(schema, { list: [{ id: 1 }, {}] })).toEqual([
      { at: "#", error: 'Property "list" does not match schema.' },
      { at: "#/list", error: "Items did not match schema." },
      { at: "#/list/1", error: 'Instance does not have required property "id".' },
    ]);
  });

  it("is told of whatever its names are", () => {
    const [, last] = mismatches({ items: { additionalProperties: false } }, [{ "a/~#\ud800": 1 }]);
    expect(last?.at).toBe("#/0");
    expect(mismatches({ additionalProperties: false }, { "a/~#\ud800": 1 }).at(-1)?.at).toBe("#/a~1~0%23%EF%BF%BD");
  });

  it("is as equal as JSON is, whatever the order of its members", () => {
    expect(said({ uniqueItems: true }, [{ a: 1, b: [2] }, 1, "1", { b: [2], a: 1 }])).toEqual([
      "Duplicate items at indexes 0 and 3.",
    ]);
    expect(said({ const: { a: 1, b: 2 } }, { b: 2, a: 1 })).toEqual([]);
  });

  it.each([
    ["a pattern", { pattern: "^(a+)+$" }, `${"a".repeat(60)}!`, "String does not match pattern."],
    ["a pattern of names", { patternProperties: { "^(a+)+$": {} } }, { [`${"a".repeat(60)}!`]: 1 }, undefined],
    ["a host without an end", { format: "url" }, `http://${"a".repeat(60)}`, 'String does not match format "url".'],
    ["items that are to be unique", { uniqueItems: true }, Array.from({ length: 100_000 }, (_, i) => i), undefined],
    ["a long array", { contains: { const: 7 }, items: { type: "integer" } }, new Array(200_000).fill(7), undefined],
    ["a long text", { pattern: "^[\\s\\S]*$", minLength: 5 }, "x".repeat(1_000_000), undefined],
    ["many that don't match", { items: { type: "string" } }, new Array(300_000).fill(1), /Instance type "number"/],
  ])("with %s is held against it soon", (_, schema, value, error) => {
    const [last] = said(schema, value).slice(-1);
    if (error === undefined) expect(last).toBeUndefined();
    else expect(last).toMatch(error);
  });

  it.each<[string, object, unknown]>([
    [
      "references that double",
      {
        $ref: "#/$defs/0",
        $defs: Object.fromEntries(
          Array.from({ length: 40 }, (_, i) => {
            const $ref = `#/$defs/${i + 1}`;
            return [i, { allOf: [{ $ref }, { $ref }] }];
          }).concat([["40", { allOf: [] }] as never]),
        ),
      },
      1,
    ],
    [
      "choices for each of many",
      { items: { enum: Array.from({ length: 1000 }, (_, i) => `${i}`) } },
      new Array(100_000).fill("x"),
    ],
    ...["dependentRequired", "dependencies", "patternProperties"].map((keyword): [string, object, unknown] => [
      `${keyword} of which no value has one`,
      {
        items: {
          [keyword]: Object.fromEntries(names(2000).map((name) => [name, listed.includes(keyword) ? [] : true])),
        },
      },
      Array.from({ length: 100_000 }, () => ({})),
    ]),
    [
      "members that the outermost of many schemas has evaluated",
      {
        $ref: "#/$defs/all",
        allOf: [{ $ref: "#/$defs/0" }],
        $defs: {
          all: { additionalProperties: true },
          ...Object.fromEntries(names(500).map((_, i) => [i, { allOf: [{ $ref: `#/$defs/${i + 1}` }] }])),
          500: { allOf: names(20).map(() => ({ unevaluatedProperties: true })) },
        },
      },
      Object.fromEntries(names(20_000).map((name) => [name, 0])),
    ],
    [
      "addresses that are none",
      { items: { anyOf: names(20).map(() => ({ format: "url" })) } },
      new Array(40_000).fill("2026-01-01"),
    ],
    ["lengths of a long text", { allOf: names(200).map(() => ({ minLength: 2 })) }, "x".repeat(1_000_000)],
    ["a look ahead at each place", { pattern: "(?=(?:a|a)+$)b" }, `${"a".repeat(60)}!`],
  ])("with %s is not looked at for ever", (_, schema, value) => {
    expect(() => said(schema, value)).toThrow(/takes too long/);
  });
});
