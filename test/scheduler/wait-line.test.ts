/** A line against the plainest there is: a list, sorted. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { WaitLine } from "../../src/scheduler/wait-line.ts";
import type { Waiter } from "../../src/scheduler/want.ts";

const waiter = (seq: number): Waiter => ({
  task: seq,
  priority: seq % 10,
  call: "c",
  seq,
  since: 0,
  until: 0,
  want: { kind: "lock", names: ["l"], mode: "exclusive" },
});

test("a line is those who came and have not left, in the order of their waits, whatever comes between", () => {
  const op = fc.record({ what: fc.constantFrom("add", "remove", "first", "last"), seq: fc.nat(60) });
  fc.assert(
    fc.property(fc.array(op, { maxLength: 120 }), fc.nat(2), (ops, often) => {
      const line = new WaitLine();
      let plain: number[] = [];
      for (const [i, { what, seq }] of ops.entries()) {
        if (what === "add" && !plain.includes(seq)) {
          line.add(waiter(seq));
          plain = [...plain, seq].sort((a, b) => a - b);
        } else if (what !== "add") {
          const gone = what === "remove" ? seq : plain.at(what === "first" ? 0 : -1);
          if (gone !== undefined) line.remove(gone);
          plain = plain.filter((one) => one !== gone);
        }
        expect([line.size, line.first?.seq, line.has(seq)]).toEqual([plain.length, plain[0], plain.includes(seq)]);
        expect(Array.from(line.after(seq), (one) => one.seq)).toEqual(plain.filter((one) => one > seq));
        expect(Array.from(line.before(seq), (one) => one.seq)).toEqual(plain.filter((one) => one < seq).reverse());
        expect(line.hasPriority(7)).toBe(plain.some((one) => one % 10 >= 7));
        if (i % 3 === often) expect(line.waiters.map((one) => one.seq)).toEqual(plain);
      }
    }),
  );
});

test("a long line is cut where half of it has left, and whoever goes through it then is not disturbed", () => {
  const line = new WaitLine();
  for (let seq = 1; seq <= 5000; seq++) line.add(waiter(seq));
  const { waiters } = line;
  for (const { seq } of waiters) if (seq % 5 > 0) line.remove(seq);
  expect(waiters).toHaveLength(5000);
  expect([line.size, line.first?.seq, line.waiters.length]).toEqual([1000, 5, 1000]);
  for (const { seq } of [...line.waiters]) line.remove(seq);
  expect([line.size, line.first, line.waiters]).toEqual([0, undefined, []]);
});
