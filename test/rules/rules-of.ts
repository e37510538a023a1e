/** Rules of all kinds, for properties. */

import fc from "fast-check";
import {
  ruleRunMsMax,
  ruleWindowMsMax,
  ruleWindowMsMin,
  runDepthMax,
  runTasksMax,
  runUsdMax,
  runWorkersMax,
} from "../../src/limits.ts";
import { type FindingKind, type FindingKnob, findingKinds, knobsOf } from "../../src/rules/finding-kinds.ts";
import type { Action, Condition, Limit, Rule } from "../../src/rules/rule.ts";

const upTo = (max: number, min = 1) => fc.integer({ min, max });
const tokens = upTo(1_000_000_000_000);
const nanos = upTo(runUsdMax * 1_000_000_000);
/** Anything that a line can hold. */
const name = fc
  .string({ minLength: 1, maxLength: 60, unit: "grapheme" })
  .map((text) => text.replace(/[\r\n\u2028\u2029\0]/gu, "x").slice(0, 60))
  .filter((text) => text.trim() === text && text !== "");
const pool = fc.stringMatching(/^[a-z][a-z0-9_-]{0,20}$/);
const percent = fc.integer({ min: 0, max: 10_000 }).map((n) => n / 100);
const window = upTo(ruleWindowMsMax, ruleWindowMsMin);
const op = fc.constantFrom(">", ">=", "<", "<=") as fc.Arbitrary<Condition["op"]>;

const workers = fc.oneof(
  fc.record({ kind: fc.constant("workers"), max: upTo(runWorkersMax) }),
  fc.record({ kind: fc.constant("workers"), max: upTo(runWorkersMax), label: name }),
  fc.record({ kind: fc.constant("workers"), max: upTo(runWorkersMax), pool }),
) as fc.Arbitrary<Extract<Limit, { kind: "workers" }>>;

const kinds = Object.keys(findingKinds) as FindingKind[];
const knobs = kinds.flatMap((kind) =>
  (Object.keys(knobsOf(kind)) as FindingKnob[]).map((knob) => [kind, knob] as const),
);

const limit = fc.oneof(
  workers,
  fc.record({ kind: fc.constant("tasks"), max: upTo(runTasksMax) }),
  fc.record({ kind: fc.constant("depth"), max: upTo(runDepthMax) }),
  fc.record({ kind: fc.constant("children"), max: upTo(runTasksMax, 0) }),
  fc.record({ kind: fc.constantFrom("tokens", "task_tokens"), max: tokens }),
  fc.record({ kind: fc.constant("money"), nanos }),
  fc.constant({ kind: "budget_end", by: "fail" }),
  fc.constantFrom(...kinds).map((finding) => ({ kind: "finding" as const, finding, off: true as const })),
  fc.constantFrom(...knobs).chain(([finding, knob]) =>
    fc.record({
      kind: fc.constant("finding"),
      finding: fc.constant(finding),
      knob: fc.constant(knob),
      value: knob === "above" ? percent : knob === "after" ? upTo(ruleWindowMsMax) : upTo(1_000_000_000),
    }),
  ),
  fc.record({ kind: fc.constant("model"), model: name, side: fc.constantFrom("below", "above"), priority: upTo(9, 0) }),
) as fc.Arbitrary<Limit>;

const condition = fc.oneof(
  fc.record({ metric: fc.constantFrom("tokens_used", "money_used"), op, value: percent, unit: fc.constant("percent") }),
  fc.record({ metric: fc.constant("tokens_used"), op, value: upTo(1_000_000_000_000, 0), unit: fc.constant("tokens") }),
  fc.record({ metric: fc.constant("money_used"), op, value: nanos, unit: fc.constant("nanos") }),
  fc.record({ metric: fc.constant("model_calls"), op, value: upTo(1_000_000_000_000, 0), unit: fc.constant("calls") }),
  fc.record({ metric: fc.constant("run_time"), op, value: upTo(ruleRunMsMax), unit: fc.constant("ms") }),
  fc.record({
    metric: fc.constantFrom("provider_errors", "worker_load"),
    op,
    value: percent,
    unit: fc.constant("percent"),
    windowMs: window,
  }),
  fc.record({
    metric: fc.constant("queue_wait_p95"),
    op,
    value: upTo(ruleWindowMsMax),
    unit: fc.constant("ms"),
    windowMs: window,
  }),
) as fc.Arbitrary<Condition>;

const action = fc.oneof(
  workers,
  fc.constant({ kind: "halve" }),
  fc.constant({ kind: "double" }),
  fc.record({ kind: fc.constant("double"), max: upTo(runWorkersMax) }),
  fc.constant({ kind: "pause" }),
) as fc.Arbitrary<Action>;

export const rule: fc.Arbitrary<Rule> = fc.oneof(
  limit,
  fc.tuple(condition, action).map(([of, does]) => ({ kind: "when" as const, ...of, action: does })),
);
