import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { memoryBytesMax, memoryReadCharsMax } from "../../src/limits.ts";
import type { SharedMemoryOp } from "../../src/variables/ops.ts";
import { MemoryVariable } from "./lib/memory-stored.ts";

const text = fc.string({ unit: fc.constantFrom("a", "b", "\n", "é", "😀"), maxLength: 6 });
const version = fc.integer({ min: 0, max: 6 });
const op: fc.Arbitrary<SharedMemoryOp> = fc.oneof(
  fc.record({ op: fc.constant("read" as const) }),
  fc.record({ op: fc.constant("write" as const), text }),
  fc.record({ op: fc.constant("write" as const), text, if_version: version }),
  fc.record({ op: fc.constant("append" as const), text }),
  fc.record({ op: fc.constant("edit" as const), old: text.filter((old) => old !== ""), new: text }),
  fc.record({ op: fc.constant("edit" as const), old: fc.constantFrom("a", "b"), new: text, if_version: version }),
);

/** Places where `part` stands, overlapping ones too. */
const places = (whole: string, part: string) =>
  Array.from(whole, (_, i) => i).filter((i) => whole.startsWith(part, i)).length;

describe("shared_memory", () => {
  it("is one text with a version (V1, V2, T1, T2)", () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 40 }), (ops) => {
        const memory = new MemoryVariable("shared_memory");
        let model = "";
        let newest = 0;
        for (const one of ops) {
          const answer = memory.do(one);
          if (one.op === "read") {
            expect(answer).toEqual({ result: { text: model, version: newest, length: model.length } });
            continue;
          }
          if ("if_version" in one && one.if_version !== newest) {
            expect(answer).toMatchObject({ error: { code: "version_mismatch", version: newest } });
            continue;
          }
          if (one.op === "edit") {
            const count = Array.from({ length: model.length }, (_, i) => i).filter((i) =>
              model.startsWith(one.old, i),
            ).length;
            if (count !== 1) {
              expect(answer).toMatchObject({ error: { code: count === 0 ? "edit_no_match" : "edit_not_unique" } });
              continue;
            }
            const at = model.indexOf(one.old);
            model = model.slice(0, at) + one.new + model.slice(at + one.old.length);
          } else model = one.op === "write" ? one.text : model + one.text;
          expect(answer).toEqual({ result: { version: ++newest, length: model.length } });
        }
      }),
    );
  });

  it("takes the new text as it is (T2)", () => {
    const memory = new MemoryVariable("shared_memory");
    memory.get({ op: "write", text: "price: X" });
    memory.get({ op: "edit", old: "X", new: "$& $1 $$" });
    expect(memory.get({ op: "read" }).text).toBe("price: $& $1 $$");
    memory.get({ op: "write", text: "aaa" });
    expect(places("aaa", "aa")).toBe(2);
    expect(memory.code({ op: "edit", old: "aa", new: "b" })).toBe("edit_not_unique");
  });

  it("is read whole by reading on, without parting a pair (T3)", () => {
    const memory = new MemoryVariable("shared_memory");
    const whole = `a${"😀".repeat(150_000)}z`;
    memory.get({ op: "write", text: whole });
    let seen = "";
    for (let from: number | undefined = 0; from !== undefined; ) {
      const page = memory.get({ op: "read", from }) as unknown as { text: string; next?: number };
      expect(page.text.isWellFormed()).toBe(true);
      expect(page.text.length).toBeLessThanOrEqual(memoryReadCharsMax);
      seen += page.text;
      from = page.next;
    }
    expect(seen).toBe(whole);
    expect(memory.get({ op: "read", from: 2, to: 3 }).text).toBe("😀");
    expect(memory.get({ op: "read", from: 99_999_999 }).text).toBe("");
    expect(memory.get({ op: "read", from: 5, to: 3 }).text).toBe("");
  });

  it("holds 8 MiB and no byte more (T1, V2)", () => {
    const memory = new MemoryVariable("shared_memory");
    memory.get({ op: "write", text: "é".repeat(memoryBytesMax / 2) });
    expect(memory.code({ op: "append", text: "x" })).toBe("value_too_large");
    expect(memory.get({ op: "edit", old: "é".repeat(memoryBytesMax / 2), new: "x" })).toEqual({
      version: 2,
      length: 1,
    });
  });
});
