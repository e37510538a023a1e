/** An output schema that no result can be held against is refused with the place; whatever can be used is taken. */

import { type Schema, Validator } from "@cfworker/json-schema";
import { describe, expect, it, vi } from "vitest";
import { unusableIn } from "../../src/contract/output-schema.ts";
import { taskSpecSchema } from "../../src/contract/task-spec.ts";
import { mismatches } from "../../src/json-schema/check.ts";
import { schemaKnownBytes, schemasKnownBytes } from "../../src/limits.ts";

describe("an output schema", () => {
  it.each([
    [{ type: "text" }, ["type"], /"text" is no type/],
    [{ type: ["string", "nothing"] }, ["type"], /"nothing" is no type/],
    [{ properties: { a: { pattern: "(" } } }, ["properties", "a", "pattern"], /no regular expression/],
    [{ pattern: "(a)\\1" }, ["pattern"], /refers back to a group/],
    [{ items: { pattern: "((a{999}){999}){999}" } }, ["items", "pattern"], /too large when its repetitions/],
    [{ pattern: `${"(".repeat(3000)}${")".repeat(3000)}` }, ["pattern"], /nested too deep/],
    [{ patternProperties: { "[": {} } }, ["patternProperties", "["], /no regular expression/],
    [
      { anyOf: [{}, { items: { $ref: "#/$defs/b" } }], $defs: { a: {} } },
      ["anyOf", 1, "items", "$ref"],
      /nothing there/,
    ],
    [{ $ref: "https://example.com/schema.json" }, ["$ref"], /nothing outside/],
    [{ $ref: "#named" }, ["$ref"], /nothing there/],
    // What the check of a result would throw at, or hold nothing to be right by.
    [{ $id: "https://example.com/a", properties: { b: { $ref: "c" } } }, ["properties", "b", "$ref"], /nothing there/],
    [{ examples: [{ type: "string" }], $ref: "#/examples/0" }, ["$ref"], /nothing there/],
    [{ $defs: { a: { $id: "x" }, b: { $id: "x" } } }, [], /can't be used: Duplicate/],
    [{ items: { $dynamicRef: "#a" }, $defs: { a: { $dynamicAnchor: "a" } } }, ["items", "$dynamicRef"], /not followed/],
    [{ enum: "a" }, ["enum"], /a list of values/],
    [{ not: { anyOf: {} } }, ["not", "anyOf"], /a list of schemas/],
    [{ properties: { a: { type: "string", required: true } } }, ["properties", "a", "required"], /a list of names/],
    [{ properties: { a: null } }, ["properties", "a"], /an object, true or false/],
    [{ prefixItems: [{}, "string"] }, ["prefixItems", 1], /an object, true or false/],
    [{ items: { maxLength: null } }, ["items", "maxLength"], /a number/],
    [{ pattern: 5 }, ["pattern"], /text/],
    // Of draft 4.
    [
      { properties: { n: { minimum: 0, exclusiveMinimum: true } } },
      ["properties", "n", "exclusiveMinimum"],
      /the bound itself.* in place of that/,
    ],
    [{ items: { maximum: 5, exclusiveMaximum: false } }, ["items", "exclusiveMaximum"], /leave false out/],
  ])("like %j is refused", (schema, path, message) => {
    expect(unusableIn(schema)).toEqual({ path, message: expect.stringMatching(message) });
    const { error } = taskSpecSchema.safeParse({ instructions: "x", output_schema: schema });
    expect(error?.issues).toMatchObject([{ path: ["output_schema", ...path] }]);
  });

  it("whose patterns are too large all together is refused at the one that is too much", () => {
    const anyOf = Array.from({ length: 100 }, (_, i) => ({ pattern: `(?:a{0}b){2000}${i}` }));
    expect(unusableIn({ anyOf })).toEqual({
      path: ["anyOf", 12, "pattern"],
      message: expect.stringContaining("all together"),
    });
    const classes = [{ pattern: `[${"\\p{L}".repeat(1000)}]` }, { pattern: "\\P{Lu}".repeat(1000) }];
    for (const schema of classes)
      expect(unusableIn(schema)).toEqual({ path: ["pattern"], message: expect.stringContaining("all together") });
  });

  it("whose references would be looked for without an end is refused", () => {
    let ids: object = {};
    for (let i = 0; i < 60; i++) ids = { $id: `http://x/${i}`, not: ids };
    let names: object = {};
    const long = "x".repeat(20_000);
    for (let i = 0; i < 20; i++)
      names = {
        properties: { [long]: names, ...Object.fromEntries(Array.from({ length: 500 }, (_, k) => [`p${k}`, {}])) },
      };
    for (const schema of [ids, names, { anyOf: Array.from({ length: 300_000 }, () => ({})) }]) {
      expect(unusableIn(schema as never)).toEqual({ path: [], message: expect.stringContaining("too many parts") });
      expect(() => mismatches(schema, { x: 1 })).toThrow(/takes too long/);
    }
  });

  it("that is one of a few in a batch is looked through once", () => {
    const few = ["a", "b", "c"].map((name) => ({ title: `of this test: ${name}`, properties: { [name]: {} } }));
    const read = vi.spyOn(JSON, "parse");
    for (let i = 0; i < 1000; i++) expect(unusableIn({ ...few[i % few.length]! })).toBeUndefined();
    expect(read).toHaveBeenCalledTimes(few.length);
    read.mockRestore();
  });

  it("is remembered with what that takes, so that of the shortest there are not a hundred thousand", () => {
    const schema = (name: string) => ({ $comment: `of that test: ${name}` });
    unusableIn(schema("first"));
    for (let i = 0; i < schemasKnownBytes / schemaKnownBytes; i++) unusableIn(schema(String(i)));
    const read = vi.spyOn(JSON, "parse");
    unusableIn(schema("first"));
    expect(read).toHaveBeenCalledTimes(1);
    read.mockRestore();
  });

  it("may be large", () => {
    const part = (i: number) => [
      `field_${i}`,
      { type: "object", description: "d".repeat(200), properties: { a: { $ref: "#/$defs/a" } } },
    ];
    const schema = { $id: "https://example.com/a", $defs: { a: { $id: "b", type: "string" } } };
    expect(
      unusableIn({ ...schema, properties: Object.fromEntries(Array.from({ length: 5000 }, (_, i) => part(i))) }),
    ).toBe(undefined);
  });

  it("with one pattern for many fields is as large as with one field", () => {
    expect(unusableIn({ anyOf: Array.from({ length: 200 }, () => ({ pattern: "^[\\p{L}\\p{M}' -]+$" })) })).toBe(
      undefined,
    );
  });

  it.each([
    [{}, 1],
    [{ type: ["integer", "null"], "x-mine": { type: "odd" }, format: "unheard-of" }, 1],
    [
      { type: "object", properties: { type: { type: "string" }, pattern: { const: "(" }, $ref: { enum: ["#/no"] } } },
      {},
    ],
    [{ $ref: "#/$defs/a~1b%20c", $defs: { "a/b c": { type: "string" } } }, "s"],
    [{ type: "object", properties: { next: { $ref: "#" } } }, { next: {} }],
    [{ $ref: "#it", $defs: { a: { $anchor: "it", type: "string" } } }, "s"],
    [{ const: { pattern: "(" } }, { pattern: "(" }],
    [{ items: true, additionalProperties: false, pattern: "^\\p{Lu}" }, []],
    [{ pattern: "^(?!\\.)(?=.{1,2000}$)[\\w.]+(?<!\\.)$" }, "a.b"],
  ])("like %j is taken, and holds for what it should", (schema, value) => {
    expect(unusableIn(schema)).toBeUndefined();
    expect(new Validator(schema as Schema, "2020-12", false).validate(value).valid).toBe(true);
  });
});
