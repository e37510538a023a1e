/**
 * atomic: one JSON value, 0 at first.
 *
 * A1. `add` needs a number there, and leaves one: a sum that is not finite changes nothing.
 * A2. `compare_and_set` writes only over a value equal to `expected`, as JSON: the order of an object's keys is no difference.
 */

import { equalJson } from "./equal-json.ts";
import { type Decision, type Json, type Kind, refuse } from "./kind.ts";
import type { AtomicOp } from "./ops.ts";

interface Head {
  readonly value: Json;
  readonly [more: string]: Json;
}

export const atomic: Kind<Head, AtomicOp> = {
  initial: { value: 0 },
  reads: ["get"],
  decide({ value }, _stored, op): Decision<Head> {
    switch (op.op) {
      case "get":
        return { answer: { result: { value } } };
      case "set":
        return { answer: { result: { value: op.value } }, head: { value: op.value } };
      case "exchange":
        return { answer: { result: { previous: value } }, head: { value: op.value } };
      case "compare_and_set":
        if (!equalJson(value, op.expected)) return { answer: { result: { ok: false, value } } };
        return { answer: { result: { ok: true, value: op.value } }, head: { value: op.value } };
      case "add": {
        if (typeof value !== "number") return refuse("not_a_number", "The value is not a number.", { value });
        const sum = value + op.delta;
        if (!Number.isFinite(sum)) return refuse("not_a_number", "The sum would not be a finite number.", { value });
        return { answer: { result: { value: sum, previous: value } }, head: { value: sum } };
      }
    }
  },
  show: ({ value }) => ({ value }),
};
