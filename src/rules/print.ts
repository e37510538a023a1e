/** Rules as sentences: what was understood. To parse one gives the same rule again. */

import { unreachable } from "../errors/assert.ts";
import type { FindingKnob } from "./finding-kinds.ts";
import type { Action, Condition, FindingRule, Metric, Rule, WorkersLimit } from "./rule.ts";
import { quoted } from "./tokens.ts";
import { counted, countText, moneyText, timeText } from "./values.ts";

/** One bullet's text, without the bullet. */
export function sentenceOf(rule: Rule): string {
  switch (rule.kind) {
    case "workers":
      return workers(rule);
    case "tasks":
      return `at most ${counted(rule.max, "task")}`;
    case "depth":
      return `at most depth ${countText(rule.max)}`;
    case "children":
      return `at most ${counted(rule.max, "child", "children")} per task`;
    case "tokens":
      return `budget ${counted(rule.max, "token")}`;
    case "money":
      return `budget ${moneyText(rule.nanos)}`;
    case "task_tokens":
      return `budget ${counted(rule.max, "token")} per task`;
    case "model":
      return `use model ${quoted(rule.model)} for priority ${rule.side} ${rule.priority}`;
    case "budget_end":
      return `budget then ${rule.by}`;
    case "finding":
      return "off" in rule ? `no finding ${rule.finding}` : `finding ${rule.finding} ${rule.knob} ${knobText(rule)}`;
    case "when":
      return `when ${conditionText(rule)}: ${actionText(rule.action)}`;
    default:
      return unreachable(rule);
  }
}

function knobText({ knob, value }: Extract<FindingRule, { knob: FindingKnob }>): string {
  if (knob === "after") return timeText(value);
  return knob === "above" ? `${value}%` : countText(value);
}

const workers = ({ max, label, pool }: WorkersLimit): string =>
  `at most ${counted(max, "worker")}${label === undefined ? "" : ` for label ${quoted(label)}`}${pool === undefined ? "" : ` for pool ${quoted(pool)}`}`;

const metrics: Readonly<Record<Metric, string>> = {
  tokens_used: "tokens used",
  money_used: "money used",
  model_calls: "model calls",
  run_time: "run time",
  provider_errors: "provider errors",
  queue_wait_p95: "queue wait p95",
  worker_load: "worker load",
};

function conditionText(condition: Condition): string {
  const { metric, op, windowMs } = condition;
  const over = windowMs === undefined ? "" : ` over ${timeText(windowMs)}`;
  return `${metrics[metric]} ${op} ${valueText(condition)}${over}`;
}

/** A value of a condition, in its unit. */
function valueText({ unit, value }: Pick<Condition, "unit" | "value">): string {
  switch (unit) {
    case "percent":
      return `${value}%`;
    case "tokens":
    case "calls":
      return countText(value);
    case "nanos":
      return moneyText(value);
    case "ms":
      return timeText(value);
    default:
      return unreachable(unit);
  }
}

function actionText(action: Action): string {
  switch (action.kind) {
    case "workers":
      return workers(action);
    case "halve":
      return "halve workers";
    case "double":
      return action.max === undefined ? "double workers" : `double workers up to ${countText(action.max)}`;
    case "pause":
      return "pause";
    default:
      return unreachable(action);
  }
}
