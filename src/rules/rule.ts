/**
 * Rules as they are compiled: plain data, which a run's log and its state keep. Kinds and fields are added, never changed: an
 * old log must replay.
 */

import type { FindingKind, FindingKnob } from "./finding-kinds.ts";

/** Which tasks a number of workers is about; all, where neither is named. */
export interface Scope {
  /** Tasks that have this label, or, as `name=value`, this label with this value. */
  readonly label?: string;
  readonly pool?: string;
}

export interface WorkersLimit extends Scope {
  readonly kind: "workers";
  readonly max: number;
}

/** What holds all the time. */
export type Limit =
  | WorkersLimit
  /** `tokens`: of the run; `task_tokens`: of each task by itself. */
  | { readonly kind: "tasks" | "depth" | "children" | "tokens" | "task_tokens"; readonly max: number }
  | { readonly kind: "money"; readonly nanos: number }
  /** At the end of the run's budget, whoever set it: tasks fail, and the run does not pause. */
  | { readonly kind: "budget_end"; readonly by: "fail" }
  /** Tasks of a priority below, or above, that. */
  | { readonly kind: "model"; readonly model: string; readonly side: "below" | "above"; readonly priority: number }
  | FindingRule;

/** From when on a finding speaks, or that it does not. */
export type FindingRule =
  | { readonly kind: "finding"; readonly finding: FindingKind; readonly off: true }
  /** `value`: milliseconds after, percent above, a number from. */
  | { readonly kind: "finding"; readonly finding: FindingKind; readonly knob: FindingKnob; readonly value: number };

export type Metric =
  | "tokens_used"
  | "money_used"
  | "model_calls"
  | "run_time"
  | "provider_errors"
  | "queue_wait_p95"
  | "worker_load";
export type Op = ">" | ">=" | "<" | "<=";
export type Unit = "percent" | "tokens" | "nanos" | "calls" | "ms";

export interface Condition {
  readonly metric: Metric;
  readonly op: Op;
  readonly value: number;
  readonly unit: Unit;
  /** Of the metrics that are taken over a time, and only of those. */
  readonly windowMs?: number;
}

export type Action =
  | WorkersLimit
  | { readonly kind: "halve" }
  | { readonly kind: "double"; readonly max?: number }
  | { readonly kind: "pause" };

/** What holds while a condition does. */
export interface When extends Condition {
  readonly kind: "when";
  readonly action: Action;
}

export type Rule = Limit | When;

/** A rule and the line of its file, from 1. */
export interface PlacedRule {
  readonly line: number;
  readonly rule: Rule;
}
