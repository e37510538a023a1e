import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pageRowsMax } from "../../src/limits.ts";
import type { SharedListOp } from "../../src/variables/ops.ts";
import { MemoryVariable } from "./lib/memory-stored.ts";

const index = fc.integer({ min: -2, max: 12 });
const bound = fc.option(fc.integer({ min: -15, max: 15 }), { nil: undefined });
const op: fc.Arbitrary<SharedListOp> = fc.oneof(
  fc.record({ op: fc.constant("append" as const), items: fc.array(fc.integer(), { minLength: 1, maxLength: 4 }) }),
  fc.record({ op: fc.constant("get" as const), index }),
  fc.record({ op: fc.constant("set" as const), index, value: fc.integer() }),
  fc.record({
    op: fc.constant("set" as const),
    index,
    value: fc.integer(),
    if_version: fc.integer({ min: 0, max: 3 }),
  }),
  fc.record({ op: fc.constant("slice" as const), start: bound, end: bound }).map(({ op: slice, start, end }) => ({
    op: slice,
    ...(start !== undefined && { start }),
    ...(end !== undefined && { end }),
  })),
  fc.constant({ op: "size" } as const),
);

describe("shared_list", () => {
  it("is a growing list with versions (V1, V2, L1, L2, L3, L4)", () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 50 }), (ops) => {
        const list = new MemoryVariable("shared_list");
        const model: { value: number; version: number }[] = [];
        for (const one of ops) {
          const answer = list.do(one);
          const there = "index" in one && one.index >= 0 ? model[one.index] : undefined;
          if (one.op === "append") {
            const at = model.length;
            for (const value of one.items) model.push({ value: value as number, version: 1 });
            expect(answer).toEqual({ result: { size: model.length, index: at } });
          } else if (one.op === "size") expect(answer).toEqual({ result: { size: model.length } });
          else if (one.op === "get") expect(answer).toEqual({ result: there ?? { value: null, version: 0 } });
          else if (one.op === "slice") {
            const items = model.slice(one.start, one.end).map(({ value }) => value);
            expect(answer).toMatchObject({ result: { items, next: null, size: model.length } });
          } else if (!there)
            expect(answer).toMatchObject({ error: { code: "index_out_of_range", size: model.length } });
          else if (one.if_version !== undefined && one.if_version !== there.version)
            expect(answer).toMatchObject({ error: { code: "version_mismatch", version: there.version } });
          else {
            model[one.index] = { value: one.value as number, version: there.version + 1 };
            expect(answer).toEqual({ result: { version: there.version + 1 } });
          }
        }
      }),
    );
  });

  it("reads on where a slice ended early, and reads no more than it answers (L3)", () => {
    const list = new MemoryVariable("shared_list");
    const items = Array.from({ length: 2500 }, (_, i) => i);
    for (let at = 0; at < items.length; at += 1000) list.get({ op: "append", items: items.slice(at, at + 1000) });
    list.reads = 0;
    const seen: number[] = [];
    for (let start: number | null = 0; start !== null; ) {
      const page = list.get({ op: "slice", start }) as unknown as { items: number[]; next: number | null };
      expect(page.items.length).toBeLessThanOrEqual(pageRowsMax);
      seen.push(...page.items);
      start = page.next;
    }
    expect(seen).toEqual(items);
    expect(list.reads).toBe(items.length);
    list.get({ op: "append", items: Array.from({ length: 10 }, () => "x".repeat(100_000)) });
    expect(list.get({ op: "slice", start: 2500 })).toMatchObject({ next: 2506 });
  });
});
