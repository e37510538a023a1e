/** Addresses of a schema's parts are made where something refers to them: that takes far longer than all else that a door looks at. */

import type { Schema } from "@cfworker/json-schema";
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
