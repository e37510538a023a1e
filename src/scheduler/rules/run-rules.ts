/**
 * What rules make of a run's limits, as plain data of its header. Pure functions of it: which limits hold, how many workers, and
 * which rule says so.
 */

import * as defaults from "../../limits.ts";
import type { PlacedRule, Rule, WorkersLimit } from "../../rules/rule.ts";
import type { Limits } from "../events.ts";
import type { RunHeader } from "../state.ts";

/** Who sets rules, above all others first: those above a run bound it, and only its own replace a default. */
export const rulesSources = ["deployment", "tenant", "run"] as const;
export type RulesFrom = (typeof rulesSources)[number];
/** The run's own before those above it: of two that say the same, the run's is the one to change. */
const fromBelow = [...rulesSources].reverse();

export interface RunRule extends PlacedRule {
  readonly from: RulesFrom;
}

/** What became of a rule with a condition; absent: it never fired. */
export interface Firing {
  readonly on: boolean;
  /** How often workers are halved, or doubled, by it. */
  readonly level: number;
  /** When it changed last. */
  readonly at: number;
  readonly times: number;
}

export interface RunRules {
  /** The limits without any rule. */
  readonly given: Limits;
  readonly rules: readonly RunRule[];
  /** By place in `rules`. */
  readonly firings: Record<number, Firing>;
  /** Model calls that ended, by the time that a rule looks back: when, how many, and how many failed. */
  readonly calls: Record<number, (readonly [at: number, all: number, failed: number])[]>;
  /** Tasks that started, likewise: when, and how long they had been ready. */
  readonly starts: Record<number, (readonly [at: number, waitedMs: number])[]>;
  /** What pull workers said last, by pool and name. */
  readonly loads: Record<string, { readonly pool: string; readonly at: number; readonly percent: number }>;
}

/** Limits that have a default, which a rule replaces where nobody named another. */
export const namedLimits = ["workers", "tasks", "depth", "children"] as const;
export type NamedLimit = (typeof namedLimits)[number];

const usual: Readonly<Record<NamedLimit, number>> = {
  workers: defaults.runWorkersDefault,
  tasks: defaults.runTasksDefault,
  depth: defaults.runDepthDefault,
  children: defaults.runChildrenDefault,
};

/** Logs from before there were rules do not say which were named: those that differ from the default. */
const isNamed = ({ named }: RunHeader, given: Limits, limit: NamedLimit): boolean =>
  named ? named.includes(limit) : given[limit] !== usual[limit];

const least = (values: readonly number[]): number | undefined => (values.length > 0 ? Math.min(...values) : undefined);

const isWhole = (rule: Rule): rule is WorkersLimit =>
  rule.kind === "workers" && rule.label === undefined && rule.pool === undefined;

/** What the rules of one source say of a limit at all times. */
function saidOf(rules: readonly RunRule[], from: RulesFrom, limit: NamedLimit): number | undefined {
  return least(
    rules.flatMap(({ from: of, rule }) =>
      of === from && rule.kind === limit && (rule.kind !== "workers" || isWhole(rule)) ? [rule.max] : [],
    ),
  );
}

/** The stricter of budgets, of which 0 is none. */
const strictest = (...budgets: readonly number[]): number => least(budgets.filter((one) => one > 0)) ?? 0;

/** `given` under the rules: the strictest holds, and a rule of the run's own replaces a default. */
export function limitsUnder(header: RunHeader, given: Limits, rules: readonly RunRule[]): Limits {
  const held = (limit: NamedLimit): number => {
    const own = saidOf(rules, "run", limit);
    const mine = isNamed(header, given, limit) ? Math.min(given[limit], own ?? given[limit]) : (own ?? given[limit]);
    return Math.min(mine, saidOf(rules, "tenant", limit) ?? mine, saidOf(rules, "deployment", limit) ?? mine);
  };
  const tokens = rules.flatMap(({ rule }) => (rule.kind === "tokens" ? [rule.max] : []));
  const nanos = rules.flatMap(({ rule }) => (rule.kind === "money" ? [rule.nanos] : []));
  const money = strictest(given.nanos ?? 0, ...nanos);
  const { nanos: _, ...rest } = given;
  return {
    ...rest,
    workers: held("workers"),
    tasks: held("tasks"),
    depth: held("depth"),
    children: held("children"),
    tokens: strictest(given.tokens, ...tokens),
    ...(money > 0 && { nanos: money }),
  };
}

/** What a rule bounds, by the name that the wire has for it. */
export type BoundLimit = "tasks" | "depth" | "children" | "tokens" | "usd" | "tokens_per_task";

/** The limits, workers apart, that a rule sets now: of several that say the same the run's own, and the first of its lines. */
export function boundsUnder({ limits, rules }: RunHeader): { limit: BoundLimit; max: number; by: number }[] {
  if (!rules) return [];
  const bounds: { limit: BoundLimit; max: number; by: number }[] = [];
  const note = (limit: BoundLimit, max: number, saidBy: (rule: Rule) => number | undefined): void => {
    for (const from of fromBelow) {
      const by = rules.rules.findIndex((one) => one.from === from && saidBy(one.rule) === max);
      if (by < 0) continue;
      bounds.push({ limit, max, by });
      return;
    }
  };
  for (const limit of ["tasks", "depth", "children"] as const)
    note(limit, limits[limit], (rule) => (rule.kind === limit ? rule.max : undefined));
  note("tokens", limits.tokens, (rule) => (rule.kind === "tokens" ? rule.max : undefined));
  note("usd", limits.nanos ?? 0, (rule) => (rule.kind === "money" ? rule.nanos : undefined));
  const perTask = least(rules.rules.flatMap(({ rule }) => (rule.kind === "task_tokens" ? [rule.max] : [])));
  note("tokens_per_task", perTask ?? 0, (rule) => (rule.kind === "task_tokens" ? rule.max : undefined));
  return bounds;
}

/** Tokens that each task may use by itself; 0: no rule says. */
export const taskTokensOf = ({ rules }: RunHeader): number =>
  strictest(...(rules?.rules ?? []).flatMap(({ rule }) => (rule.kind === "task_tokens" ? [rule.max] : [])));

/** Workers after so many halvings, or doublings up to a bound. */
export function steppedWorkers(base: number, { action, level }: { action: Step; level: number }): number {
  if (action.kind === "halve") return Math.max(1, Math.floor(base / 2 ** level));
  return Math.max(base, Math.min(base * 2 ** level, action.max ?? defaults.runWorkersMax));
}

type Step = { readonly kind: "halve" } | { readonly kind: "double"; readonly max?: number };

export interface Bound {
  readonly max: number;
  /** The rule that binds, by its place; undefined: the run's own limits. */
  readonly by: number | undefined;
}

/** Where a rule's halving and doubling begins: with what its source says at all times. */
export function baseOf({ limits, rules }: RunHeader, from: RulesFrom): number {
  const { given = limits, rules: all = [] } = rules ?? {};
  return saidOf(all, from, "workers") ?? (from === "run" ? given.workers : limits.workers);
}

/** How many tasks may work now, and which rule says so. */
export function workersUnder(header: RunHeader): Bound {
  const { limits, rules } = header;
  if (!rules) return { max: limits.workers, by: undefined };
  const { given } = rules;
  let bound: Bound = isNamed(header, given, "workers")
    ? { max: given.workers, by: undefined }
    : { max: defaults.runWorkersMax, by: undefined };
  for (const from of fromBelow) {
    const own = boundBy(header, from);
    if (own && (own.max < bound.max || (own.max === bound.max && bound.by === undefined))) bound = own;
  }
  return bound;
}

/** What one source's rules come to now; undefined where they say nothing of workers. */
function boundBy(header: RunHeader, from: RulesFrom): Bound | undefined {
  const { rules, firings } = header.rules!;
  const base = baseOf(header, from);
  const own = [...rules.entries()].filter(([, rule]) => rule.from === from);
  const fixed = own.find(([, { rule }]) => isWhole(rule) && rule.max === base);
  // A run has a number of workers in any case.
  let bound: Bound | undefined = fixed || from === "run" ? { max: base, by: fixed?.[0] } : undefined;
  for (const kind of ["double", "halve"] as const) {
    for (const [by, { rule }] of own) {
      const level = firings[by]?.level ?? 0;
      if (rule.kind !== "when" || rule.action.kind !== kind || level === 0) continue;
      const max = steppedWorkers(bound?.max ?? base, { action: rule.action, level });
      if (max !== bound?.max) bound = { max, by };
    }
  }
  for (const [by, { rule }] of own) {
    if (rule.kind !== "when" || !isWhole(rule.action as Rule) || !firings[by]?.on) continue;
    const { max } = rule.action as WorkersLimit;
    if (!bound || max < bound.max) bound = { max, by };
  }
  return bound;
}

/** Which workers a label or a pool has now, of rules of all sources: the least of those that hold. */
export function scopedWorkers({ rules, firings }: RunRules): {
  labels: Map<string, number>;
  pools: Map<string, number>;
} {
  const labels = new Map<string, number>();
  const pools = new Map<string, number>();
  const bind = (of: Map<string, number>, name: string, max: number) => of.set(name, Math.min(of.get(name) ?? max, max));
  for (const [i, { rule }] of rules.entries()) {
    const limit = rule.kind === "when" ? rule.action : rule;
    if (limit.kind !== "workers") continue;
    // One that does not hold now is there all the same, since tasks stand in their lanes by it.
    const max = rule.kind === "when" && !firings[i]?.on ? Number.POSITIVE_INFINITY : limit.max;
    if (limit.label !== undefined) bind(labels, limit.label, max);
    if (limit.pool !== undefined) bind(pools, limit.pool, max);
  }
  return { labels, pools };
}
