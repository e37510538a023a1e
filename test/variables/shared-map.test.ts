import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SharedMapOp } from "../../src/variables/ops.ts";
import { MemoryVariable } from "./lib/memory-stored.ts";

const key = fc.constantFrom("a", "a/1", "a/2", "b", "é", "😀", "Ａ");
const version = fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined });
const op: fc.Arbitrary<SharedMapOp> = fc.oneof(
  fc.record({ op: fc.constant("get" as const), key }),
  fc
    .record({ op: fc.constant("set" as const), key, value: fc.integer({ min: 0, max: 9 }), if_version: version })
    .map(({ if_version, ...rest }) => (if_version === undefined ? rest : { ...rest, if_version })),
  fc.record({ op: fc.constant("increment" as const), key, delta: fc.integer({ min: -2, max: 2 }) }),
  fc
    .record({ op: fc.constant("delete" as const), key, if_version: version })
    .map(({ if_version, ...rest }) => (if_version === undefined ? rest : { ...rest, if_version })),
  fc.constant({ op: "size" } as const),
);

interface Page {
  entries: { key: string; value: number; version: number }[];
  next_cursor: string | null;
}

/** All entries with the prefix, page by page; `between` is called before each further page. */
function allEntries(map: MemoryVariable<"shared_map">, prefix: string, limit: number, between = () => {}) {
  const seen: Page["entries"] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = map.get({ op: "entries", prefix, limit, ...(cursor !== undefined && { cursor }) }) as unknown as Page;
    seen.push(...page.entries);
    cursor = page.next_cursor;
    if (cursor !== null) between();
  }
  return seen;
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

describe("shared_map", () => {
  it("is a map with versions (V1, V2, M2, M4)", () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (ops, limit) => {
        const map = new MemoryVariable("shared_map");
        const model = new Map<string, { value: number; version: number }>();
        let newest = 0;
        for (const one of ops) {
          const answer = map.do(one);
          if (one.op === "size") expect(answer).toEqual({ result: { size: model.size } });
          if (!("key" in one)) continue;
          const there = model.get(one.key);
          if (one.op === "get") expect(answer).toEqual({ result: there ?? { value: null, version: 0 } });
          else if ("if_version" in one && one.if_version !== undefined && one.if_version !== (there?.version ?? 0))
            expect(answer).toMatchObject({ error: { code: "version_mismatch", version: there?.version ?? 0 } });
          else if (one.op === "delete") {
            expect(answer).toEqual({ result: { deleted: there !== undefined } });
            model.delete(one.key);
          } else {
            const value = one.op === "set" ? (one.value as number) : (there?.value ?? 0) + one.delta;
            model.set(one.key, { value, version: ++newest });
            expect(answer).toEqual({ result: one.op === "set" ? { version: newest } : { value, version: newest } });
          }
        }
        for (const prefix of ["", "a", "a/", "😀", "zz"]) {
          const expected = [...model]
            .filter(([name]) => name.startsWith(prefix))
            .sort(([a], [b]) => byBytes(a, b))
            .map(([name, entry]) => ({ key: name, ...entry }));
          expect(allEntries(map, prefix, limit)).toEqual(expected);
        }
      }),
    );
  });

  it("refuses the version of an entry that was deleted meanwhile (M1)", () => {
    const map = new MemoryVariable("shared_map");
    const { version } = map.get({ op: "set", key: "k", value: 1 }) as unknown as { version: number };
    map.get({ op: "delete", key: "k" });
    map.get({ op: "set", key: "k", value: 2 });
    expect(map.code({ op: "set", key: "k", value: 3, if_version: version })).toBe("version_mismatch");
    expect(map.code({ op: "set", key: "new", value: 3, if_version: 0 })).toBe("ok");
    expect(map.code({ op: "set", key: "new", value: 3, if_version: 0 })).toBe("version_mismatch");
  });

  it("shows an entry that stays exactly once, whatever is written between pages (M3)", () => {
    fc.assert(
      fc.property(fc.array(op, { minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 3 }), (ops, limit) => {
        const map = new MemoryVariable("shared_map");
        const staying = ["a0", "b0", "m", "z", "😀0"];
        for (const name of staying) map.get({ op: "set", key: name, value: 0 });
        let next = 0;
        const seen = allEntries(map, "", limit, () => void map.do(ops[next++ % ops.length]!));
        for (const name of staying) expect(seen.filter(({ key: one }) => one === name)).toHaveLength(1);
      }),
    );
  });

  it("reads what a page answers and one entry more, and ends it by its bytes (M3)", () => {
    const map = new MemoryVariable("shared_map");
    for (let i = 0; i < 300; i++) map.get({ op: "set", key: `k${1000 + i}`, value: "x".repeat(i < 20 ? 100_000 : 1) });
    map.reads = 0;
    const page = map.get({ op: "entries", prefix: "k11", limit: 10 }) as unknown as Page;
    expect(page.entries).toHaveLength(10);
    expect(map.reads).toBe(11);
    const heavy = map.get({ op: "entries" }) as unknown as Page;
    expect(heavy.entries.length).toBe(6);
    expect(allEntries(map, "", 1000)).toHaveLength(300);
  });

  it("counts only numbers (M4)", () => {
    const map = new MemoryVariable("shared_map");
    expect(map.get({ op: "increment", key: "n", delta: 2.5 })).toEqual({ value: 2.5, version: 1 });
    map.get({ op: "set", key: "s", value: "text" });
    expect(map.code({ op: "increment", key: "s", delta: 1 })).toBe("not_a_number");
    expect(map.get({ op: "get", key: "s" })).toEqual({ value: "text", version: 2 });
    map.get({ op: "set", key: "large", value: Number.MAX_SAFE_INTEGER });
    expect(map.code({ op: "increment", key: "large", delta: 1 })).toBe("not_exact");
    expect(map.get({ op: "get", key: "large" })).toEqual({ value: Number.MAX_SAFE_INTEGER, version: 3 });
  });
});
