import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Call, linearize, type Model } from "./linearizable.ts";

type Op = { add: number } | "read";

const counter: Model<number, Op, number> = {
  initial: 0,
  next: (state, op, answer) => {
    const after = op === "read" ? state : state + op.add;
    return after === answer ? after : undefined;
  },
};
const call = (op: Op, answer: number, from: number, to: number): Call<Op, number> => ({ op, answer, from, to });

test("accepts calls that overlap, in the one order that explains their answers", () => {
  const history = [
    call({ add: 1 }, 3, 0, 10),
    call({ add: 2 }, 2, 1, 9),
    call("read", 2, 2, 8),
    call("read", 3, 11, 12),
  ];
  expect(linearize(history, counter)).toEqual([1, 2, 0, 3]);
});

test.each<[string, Call<Op, number>[]]>([
  ["a lost update", [call({ add: 1 }, 1, 0, 10), call({ add: 1 }, 1, 1, 9)]],
  ["a stale read", [call({ add: 1 }, 1, 0, 1), call("read", 0, 2, 3)]],
  ["a read of what was taken back", [call({ add: 1 }, 1, 0, 9), call("read", 1, 1, 2), call("read", 0, 3, 4)]],
  ["an add that was done twice", [call({ add: 1 }, 1, 0, 1), call("read", 2, 2, 3)]],
])("refuses %s", (_, history) => {
  expect(linearize(history, counter)).toBeUndefined();
});

test("agrees with a history that was made one by one and then spread over time", () => {
  const step = fc.record({ add: fc.integer({ min: 0, max: 3 }), before: fc.nat(5), after: fc.nat(5) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      let state = 0;
      const history = steps.map(({ add, before, after }, i) => {
        state += add;
        return call(add === 0 ? "read" : { add }, state, 2 * i - before, 2 * i + after);
      });
      expect(linearize(history, counter)).toBeDefined();
    }),
  );
});
