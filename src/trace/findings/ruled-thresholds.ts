/** Thresholds under the run's rules, as its log has them: detectors hold on to the tables, and rules change the numbers in them. */

import type { FindingKind, FindingKnob } from "../../rules/finding-kinds.ts";
import type { FindingRule } from "../../rules/rule.ts";
import type { Of } from "../trace-event.ts";
import { type Thresholds, thresholds as usual } from "./thresholds.ts";

type Numbers = Record<string, number>;

/** Where each knob of a finding lies. */
const fields: {
  readonly [Kind in FindingKind]?: readonly [table: keyof Thresholds, Partial<Record<FindingKnob, string>>];
} = {
  starvation: ["starvation", { after: "waitMs", from: "overtakers" }],
  contention: ["contention", { after: "waitedMs", above: "shareOfTime" }],
  hot_variable: ["hotVariable", { after: "ms", above: "shareOfTime", from: "tasks" }],
  excessive_branching: ["branching", { after: "waitedMs", from: "tasks" }],
  under_parallelism: ["underParallel", { after: "ms", above: "shareOfRun", from: "waiting" }],
  straggler: ["straggler", { after: "ms", from: "siblings" }],
  retry_storm: ["retryStorm", { above: "share", from: "failures" }],
  cache_miss: ["cacheMiss", { from: "missedTokens" }],
  budget_burn: ["budgetBurn", { above: "spent", from: "tasks" }],
};

/** Who is nearer to the run comes later, and holds. */
const sources = ["deployment", "tenant", "run"] as const;

export class RuledThresholds {
  readonly thresholds: Thresholds = structuredClone(usual);
  readonly #off = new Set<string>();
  readonly #rules = new Map<(typeof sources)[number], readonly FindingRule[]>();

  set({ from, rules }: Of<"rules_set">): void {
    this.#rules.set(
      from,
      rules.flatMap(({ rule }) => (rule.kind === "finding" ? [rule] : [])),
    );
    for (const [table, numbers] of Object.entries(usual))
      Object.assign(this.thresholds[table as keyof Thresholds], numbers);
    this.#off.clear();
    for (const source of sources) for (const rule of this.#rules.get(source) ?? []) this.#hold(rule);
  }

  isOff(kind: string): boolean {
    return this.#off.has(kind);
  }

  #hold(rule: FindingRule): void {
    if ("off" in rule) {
      this.#off.add(rule.finding);
      return;
    }
    // Whoever says from when on it speaks says that it does.
    this.#off.delete(rule.finding);
    const [table, knobs] = fields[rule.finding] ?? [];
    const field = knobs?.[rule.knob];
    if (table === undefined || field === undefined) return;
    (this.thresholds[table] as Numbers)[field] = rule.knob === "above" ? rule.value / 100 : rule.value;
  }
}
