import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { collectionEntriesMax } from "../../src/limits.ts";
import { equalJson } from "../../src/variables/equal-json.ts";
import { decide, initialHead, nothing, show } from "../../src/variables/index.ts";
import type { Json } from "../../src/variables/kind.ts";
import type { AtomicOp } from "../../src/variables/ops.ts";
import { restoredHead } from "../../src/variables/restored.ts";
import { MemoryVariable } from "./lib/memory-stored.ts";

const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom<Json>(null, "a", [1], { x: 1, y: 2 }));
const op: fc.Arbitrary<AtomicOp> = fc.oneof(
  fc.constant({ op: "get" } as const),
  fc.record({ op: fc.constant("set" as const), value }),
  fc.record({ op: fc.constant("exchange" as const), value }),
  fc.record({ op: fc.constant("add" as const), delta: fc.integer({ min: -5, max: 5 }) }),
  fc.record({ op: fc.constant("compare_and_set" as const), expected: value, value }),
);

describe("atomic", () => {
  it("is one value, changed in one step (V1)", () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 40 }), (ops) => {
        const atomic = new MemoryVariable("atomic");
        let model: Json = 0;
        for (const one of ops) {
          const before: Json = model;
          const answer = atomic.do(one);
          if (one.op === "get") expect(answer).toEqual({ result: { value: before } });
          else if (one.op === "set") {
            model = one.value;
            expect(answer).toEqual({ result: { value: model } });
          } else if (one.op === "exchange") {
            model = one.value;
            expect(answer).toEqual({ result: { previous: before } });
          } else if (one.op === "add" && typeof before === "number") {
            model = before + one.delta;
            expect(answer).toEqual({ result: { value: model, previous: before } });
          } else if (one.op === "add") expect(answer).toMatchObject({ error: { code: "not_a_number", value: before } });
          else if (one.op === "compare_and_set") {
            const ok = JSON.stringify(before) === JSON.stringify(one.expected);
            if (ok) model = one.value;
            expect(answer).toEqual({ result: { ok, value: model } });
          }
        }
      }),
    );
  });

  it("never holds what is no finite number after add (A1)", () => {
    const atomic = new MemoryVariable("atomic");
    atomic.get({ op: "set", value: Number.MAX_VALUE });
    expect(atomic.code({ op: "add", delta: Number.MAX_VALUE })).toBe("not_a_number");
    expect(atomic.get({ op: "get" }).value).toBe(Number.MAX_VALUE);
  });

  it("adds nothing where whole numbers are not exact any more (A1)", () => {
    const atomic = new MemoryVariable("atomic");
    const largest = Number.MAX_SAFE_INTEGER;
    expect(atomic.get({ op: "add", delta: largest })).toEqual({ value: largest, previous: 0 });
    // No double is 2^53 + 1: to add 2 would leave 2^53.
    for (const delta of [1, 2, 0.5, -largest - 1, 1e300]) {
      expect(atomic.do({ op: "add", delta })).toMatchObject({ error: { code: "not_exact", value: largest } });
      expect(atomic.get({ op: "get" })).toEqual({ value: largest });
    }
    expect(atomic.get({ op: "add", delta: -1 })).toEqual({ value: largest - 1, previous: largest });
    atomic.get({ op: "set", value: -largest - 1 });
    expect(atomic.code({ op: "add", delta: 1 })).toBe("not_exact");
    // Fractions are as doubles have them.
    atomic.get({ op: "set", value: 0.1 });
    expect(atomic.get({ op: "add", delta: 0.2 })).toEqual({ value: 0.1 + 0.2, previous: 0.1 });
  });

  it("counts its changes, and shows the count in no answer (A3)", () => {
    const kind = "atomic";
    let head = initialHead(kind);
    const versions = (op: AtomicOp) => {
      const decision = decide(head, nothing, { kind, name: "n", op });
      expect(JSON.stringify(decision.answer)).not.toContain("version");
      head = decision.head ?? head;
      return decision.versions;
    };
    expect(versions({ op: "get" })).toEqual({ saw: 0 });
    expect(versions({ op: "add", delta: 2 })).toEqual({ saw: 0, made: 1 });
    expect(versions({ op: "compare_and_set", expected: 3, value: 4 })).toEqual({ saw: 1 });
    expect(versions({ op: "compare_and_set", expected: 2, value: "x" })).toEqual({ saw: 1, made: 2 });
    expect(versions({ op: "add", delta: 1 })).toBeUndefined();
    expect(versions({ op: "exchange", value: 1 })).toEqual({ saw: 2, made: 3 });
    expect(versions({ op: "set", value: 1 })).toEqual({ saw: 3, made: 4 });
    expect(versions({ op: "get" })).toEqual({ saw: 4 });
    expect(show(kind, head)).toEqual({ value: 1 });
    // A value from before changes were counted, and one that came back from a file.
    head = { value: 7 };
    expect(versions({ op: "set", value: 8 })).toEqual({ saw: 0, made: 1 });
    const contents = { entries: 0, lastKey: "", newestVersion: 0, textLength: 0 };
    expect(restoredHead(kind, head, contents)).toEqual(head);
    expect(restoredHead(kind, { value: 7 }, contents)).toEqual({ value: 7 });
    expect(restoredHead(kind, { value: 7, version: -1 }, contents)).toEqual({ value: 7 });
    const full = { ...contents, entries: collectionEntriesMax };
    expect(restoredHead("shared_map", {}, full)).toMatchObject({ size: collectionEntriesMax });
    expect(restoredHead("shared_map", {}, { ...full, entries: full.entries + 1 })).toBeUndefined();
  });

  it("compares as JSON (A2)", () => {
    expect(equalJson({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 })).toBe(true);
    expect(equalJson([1, 2], [2, 1])).toBe(false);
    expect(equalJson({ a: 1 }, { a: 1, b: null })).toBe(false);
    expect(equalJson({ a: null }, { b: null })).toBe(false);
    expect(equalJson([], {})).toBe(false);
    expect(equalJson("1", 1)).toBe(false);
    fc.assert(fc.property(fc.jsonValue(), (json) => equalJson(json as Json, structuredClone(json) as Json)));
  });
});
