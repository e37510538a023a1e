import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { childHash, headHash } from "../../src/context/snapshot-hash.ts";
import type { ContextHead } from "../../src/context/types.ts";
import { isSnapshotHash } from "../../src/ids.ts";

const part = fc.option(fc.string({ maxLength: 6 }), { nil: undefined });
const heads: fc.Arbitrary<ContextHead> = fc
  .record({
    format: fc.constantFrom("anthropic" as const, "openai" as const),
    model: part,
    system: part,
    tools: part,
    params: part,
  })
  .map((head) => Object.fromEntries(Object.entries(head).filter(([, v]) => v !== undefined)) as unknown as ContextHead);

describe("snapshot hashes", () => {
  it("are snapshot hashes, pinned: a change would orphan every stored snapshot", () => {
    const root = headHash({ format: "anthropic", model: "m", system: '"be brief"' });
    expect(isSnapshotHash(root)).toBe(true);
    expect(root).toMatchInlineSnapshot(`"77bde53a31c6a780c80a003e9e4096cf"`);
    expect(childHash(root, ['{"role":"user","content":"hi"}'])).toMatchInlineSnapshot(
      `"1ff23efa39e50313b1ad182e896af346"`,
    );
  });

  it("name heads by all of their parts, absent parts included", () => {
    fc.assert(
      fc.property(heads, heads, (a, b) => {
        const same = JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
        expect(headHash(a) === headHash(b)).toBe(same);
      }),
    );
    expect(headHash({ format: "openai", system: "" })).not.toBe(headHash({ format: "openai" }));
    expect(headHash({ format: "openai", model: "\ud800" })).not.toBe(headHash({ format: "openai", model: "\ud801" }));
  });

  it("count message boundaries, order and parent", () => {
    const root = headHash({ format: "openai" });
    const all = [[], ["ab"], ["a", "b"], ["b", "a"], ["", "ab"], ["ab", ""], ["2:ab"], ["a", "1:b"]].map((messages) =>
      childHash(root, messages),
    );
    expect(new Set([root, ...all]).size).toBe(all.length + 1);
    expect(childHash(childHash(root, ["a"]), ["b"])).not.toBe(childHash(root, ["a", "b"]));
    fc.assert(
      fc.property(fc.array(fc.string()), fc.array(fc.string()), (a, b) => {
        expect(childHash(root, a) === childHash(root, b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});
