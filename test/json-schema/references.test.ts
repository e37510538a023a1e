/** Addresses of a schema's parts are made where something refers to them: that takes far longer than all else that a door looks at. */

import { dereference, type Schema } from "@cfworker/json-schema";
import fc from "fast-check";
import { expect, it } from "vitest";
import { schemasIn } from "../../src/json-schema/references.ts";
import { Work } from "../../src/json-schema/work.ts";
import { schemaPartsMax } from "../../src/limits.ts";

const addressesOf = (schema: unknown) => Object.keys(schemasIn(schema as Schema, new Work(schemaPartsMax)));

it("are none where nothing does, whatever its fields are called", () => {
  const properties = { id: { type: "string" }, $ref: { items: [{}, { not: {} }] } };
  expect(addressesOf({ $schema: "https://json-schema.org/draft/2020-12/schema", properties })).toEqual([]);
});

it.each<[string, object]>([
  ["a reference", { $ref: "#/$defs/a" }],
  ["a reference to the whole", { $recursiveRef: "#" }],
  ["a name", { $id: "https://example.com/a" }],
  ["a name of an older draft", { id: "https://example.com/a" }],
  ["an anchor", { $anchor: "a" }],
])("are there for %s, however deep", (_, part) => {
  const at = expect.stringMatching(/#\/\$defs\/a$/);
  for (const deep of [part, { properties: { b: part } }, { allOf: [{ dependencies: { c: { not: part } } }] }])
    expect(addressesOf({ $defs: { a: {} }, not: deep })).toContainEqual(at);
});

it("is asked of the library only where parts have names: a plain path is followed here, once for all who have it", () => {
  const $defs = { a: { $ref: "#/$defs/b" }, b: { anyOf: [{}, true] }, c: {} };
  const properties = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`p${i}`, { $ref: "#/$defs/a" }]));
  const schema = { $id: "https://example.com/whole", $defs, properties, not: { $ref: "#/$defs/b/anyOf/1" } };
  expect(schemasIn(schema, new Work(schemaPartsMax))).toEqual({
    ...{ "#/$defs/a": $defs.a, "#/$defs/b": $defs.b, "#/$defs/b/anyOf/1": true },
  });
});

const keys = fc.constantFrom(
  ...["$defs", "properties", "anyOf", "items", "not", "enum", "mine", "constructor", "", "0", "a", "a.b", "a/b", "é"],
);
const { part } = fc.letrec<{ part: unknown }>((tie) => ({
  part: fc.oneof(
    { depthSize: "medium" },
    fc.constantFrom<unknown>(true, false, 1, "a", null),
    fc.array(tie("part"), { maxLength: 3 }),
    fc.dictionary(keys, tie("part"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
const paths = fc.array(fc.oneof(keys, fc.constantFrom("1", "00", "-1", "length", "__proto__")), { maxLength: 4 });

it("means by a path what the library means", () => {
  fc.assert(
    fc.property(fc.dictionary(keys, part, { noNullPrototype: true }), fc.array(paths), (whole, several) => {
      const references = several.map((path) => ["#", ...path].join("/")).filter((path) => !/[é]|a\/b/.test(path));
      const schema = { ...whole, allOf: references.map(($ref) => ({ $ref })) } as Schema;
      const meant = schemasIn(schema, new Work(schemaPartsMax));
      const addresses = dereference(schema);
      for (const reference of references) {
        const url = new URL(reference, "https://github.com/cfworker");
        expect(meant[reference]).toBe(addresses[reference === "#" ? url.href.slice(0, -1) : url.href]);
      }
    }),
    { numRuns: 500 },
  );
});
