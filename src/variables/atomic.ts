/**
 * atomic: one JSON value, 0 at first.
 *
 * A1. `add` needs a number there, and leaves one: a sum that is not finite, or of numbers too large to be exact, changes nothing.
 * A2. `compare_and_set` writes only over a value equal to `expected`, as JSON: the order of an object's keys is no difference.
 */

import { equalJson } from "./equal-json.ts";
import type { Decision, Json, Kind } from "./kind.ts";
import type { AtomicOp } from "./ops.ts";
import { sumOf } from "./sum.ts";

interface Head {
  readonly value: Json;
  /** Counts its changes, for the run's log; absent before the first, and of values from before it was counted. */
  readonly [more: string]: Json;
}

export const atomic: Kind<Head, AtomicOp> = {
  initial: { value: 0 },
  reads: ["get"],
  decide(head, _stored, op): Decision<Head> {
    const { value } = head;
    const saw = typeof head.version === "number" ? head.version : 0;
    const change = (to: Json, result: Json): Decision<Head> => ({
      answer: { result },
      head: { value: to, version: saw + 1 },
      versions: { saw, made: saw + 1 },
    });
    switch (op.op) {
      case "get":
        return { answer: { result: { value } }, versions: { saw } };
      case "set":
        return change(op.value, { value: op.value });
      case "exchange":
        return change(op.value, { previous: value });
      case "compare_and_set":
        if (!equalJson(value, op.expected)) return { answer: { result: { ok: false, value } }, versions: { saw } };
        return change(op.value, { ok: true, value: op.value });
      case "add": {
        const added = sumOf(value, op.delta);
        return "sum" in added ? change(added.sum, { value: added.sum, previous: value }) : added;
      }
    }
  },
  show: ({ value }) => ({ value }),
};
