import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  RawJson,
  rawAt,
  rawElements,
  rawMembers,
  replaceStrings,
  spanAt,
  stringAt,
  stringifyRaw,
} from "../../src/context/json-text.ts";

/** JSON texts as someone else might print them: odd spaces, escapes, duplicate keys. */
const spaced = (value: unknown, space: string): string => {
  if (Array.isArray(value)) return `[${space}${value.map((v) => spaced(v, space)).join(`${space},${space}`)}${space}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(([k, v]) => `${spaced(k, "")}${space}:${space}${spaced(v, space)}`);
    return `{${space}${members.join(`,${space}`)}${space}}`;
  }
  if (typeof value !== "string") return JSON.stringify(value);
  return JSON.stringify(value)
    .replace(/[aé]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .replaceAll("/", "\\/");
};
const json = fc.jsonValue({ maxDepth: 4 });
const text = fc
  .tuple(json, fc.constantFrom("", " ", "\n\t", " \r\n"))
  .map(([value, space]) => `${space}${spaced(value, space)}${space}`);

/** Every path of a value. */
function paths(value: unknown): (string | number)[][] {
  const inner = (key: string | number, member: unknown) => paths(member).map((path) => [key, ...path]);
  if (Array.isArray(value)) return [[], ...value.flatMap((member, i) => inner(i, member))];
  if (typeof value === "object" && value !== null)
    return [[], ...Object.entries(value).flatMap(([key, member]) => inner(key, member))];
  return [[]];
}

const at = (value: unknown, path: (string | number)[]): unknown =>
  path.reduce<unknown>((here, key) => (here as Record<string | number, unknown>)[key], value);

describe("rawAt", () => {
  it("agrees with JSON.parse at every path of every value", () => {
    fc.assert(
      fc.property(text, (source) => {
        const value: unknown = JSON.parse(source);
        for (const path of paths(value)) {
          const raw = rawAt(source, path);
          expect(raw).toBe(raw?.trim());
          expect(JSON.parse(raw!)).toEqual(at(value, path));
        }
      }),
    );
  });

  it("gives the text as it stands: number forms, escapes, key order", () => {
    const source = '{"b": 1.0e2 ,"a":"\\u0041", "n":{"z" : [ 1 ] ,"y":null}}';
    expect(rawAt(source, ["b"])).toBe("1.0e2");
    expect(rawAt(source, ["a"])).toBe('"\\u0041"');
    expect(rawAt(source, ["n"])).toBe('{"z" : [ 1 ] ,"y":null}');
    expect(rawAt(source, ["n", "z", 0])).toBe("1");
    expect(stringAt(source, ["a"])).toBe("A");
    expect(stringAt(source, ["b"])).toBeUndefined();
    expect(source.slice(spanAt(source, ["b"])!.start, spanAt(source, ["b"])!.end)).toBe("1.0e2");
  });

  it("takes the last of duplicate keys, compared after unescaping", () => {
    const source = '{"id":1,"\\u0069d":2,"x":{"y":1},"x":{}}';
    expect(rawAt(source, ["id"])).toBe("2");
    expect(rawAt(source, ["x", "y"])).toBeUndefined();
    expect(rawMembers(source)).toEqual([
      { key: "id", value: "2" },
      { key: "x", value: "{}" },
    ]);
  });

  it("is undefined where there is nothing, or something of another kind", () => {
    for (const path of [["b"], [0], ["a", "b"], ["a", 2], ["a", -1], ["s", 0], ["s", "length"], ["__proto__"]])
      expect(rawAt('{"a":[1,2],"s":"xy"}', path)).toBeUndefined();
    expect(rawAt("", ["a"])).toBeUndefined();
  });

  it("is not misled by brackets, quotes and backslashes inside strings", () => {
    const source = JSON.stringify({ a: ["]}", '"\\', "\\\\", "{[", '\\"', "\\"], b: "x" });
    expect(rawAt(source, ["b"])).toBe('"x"');
    expect(rawElements(rawAt(source, ["a"])!)).toHaveLength(6);
  });

  it("skips deep and large values without recursion or quadratic time", () => {
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    const slashes = JSON.stringify("\\".repeat(2_000_000));
    expect(rawAt(`{"a":${deep},"s":${slashes},"b":7}`, ["b"])).toBe("7");
  });
});

describe("rawElements and rawMembers", () => {
  it("agree with JSON.parse and concatenate back", () => {
    fc.assert(
      fc.property(fc.array(text), (elements) => {
        const array = `[${elements.join(",")}]`;
        const raw = rawElements(array);
        expect(raw).toEqual(elements.map((element) => element.trim()));
        expect(JSON.parse(`[${raw.join(",")}]`)).toEqual(JSON.parse(array));
      }),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string(), json), (value) => {
        const source = spaced(value, " ");
        const members = rawMembers(source).map(({ key, value }) => [key, JSON.parse(value)]);
        expect(Object.fromEntries(members)).toEqual(JSON.parse(source));
      }),
    );
  });

  it("are empty for anything else", () => {
    for (const other of ["{}", "[]", " [ ] ", '"[1]"', "1", "null", ""]) expect(rawElements(other)).toEqual([]);
    for (const other of ["[]", "{}", " { } ", '"{}"', "true", ""]) expect(rawMembers(other)).toEqual([]);
  });
});

describe("stringifyRaw", () => {
  it("equals JSON.stringify where there is no raw text", () => {
    fc.assert(
      fc.property(fc.object({ withDate: true, withBigInt: false, withNullPrototype: true }), (value) => {
        expect(stringifyRaw(value)).toBe(JSON.stringify(value));
      }),
    );
    expect(stringifyRaw({ a: undefined, b: [undefined, () => 1], c: Number.NaN, d: undefined })).toBe(
      '{"b":[null,null],"c":null}',
    );
    expect(stringifyRaw(new Date(0))).toBe('"1970-01-01T00:00:00.000Z"');
  });

  it("writes raw texts as they are, wherever they stand", () => {
    const raw = new RawJson(' {"b":1.0,  "a":"\\u0041"}');
    expect(stringifyRaw(raw)).toBe(raw.text);
    expect(stringifyRaw({ x: raw, y: [raw, 1], z: undefined })).toBe(`{"x":${raw.text},"y":[${raw.text},1]}`);
  });

  it("round-trips any members through their raw texts", () => {
    fc.assert(
      fc.property(text, (source) => {
        const copy = stringifyRaw({ v: new RawJson(source) });
        expect(rawAt(copy, ["v"])).toBe(source.trim());
      }),
    );
  });

  it("refuses what JSON can't say", () => {
    expect(() => stringifyRaw(undefined)).toThrow(TypeError);
    expect(() => stringifyRaw({ n: 1n })).toThrow(TypeError);
  });

  it("joins large texts once", () => {
    const big = new RawJson(`"${"x".repeat(1_000_000)}"`);
    expect(stringifyRaw(Array.from({ length: 16 }, () => big))).toHaveLength(16 * 1_000_003 + 1);
  });
});

it("replaces strings and nothing else: names, numbers, escapes and spaces stay byte for byte", () => {
  const text = '{ "a" : 1.0, "n":12345678901234567890,"e":"\\u00e9\\n", "a": ["a", {"a" :"x\\"a\\"\\\\"}, "a"]}';
  const replaced = replaceStrings(text, (value) => (value === "a" ? 'new "a"\n' : value));
  expect(replaced).toBe(text.replace('["a"', '["new \\"a\\"\\n"').replace(', "a"]', ', "new \\"a\\"\\n"]'));
  expect(replaceStrings(text, (value) => value)).toBe(text);
});
