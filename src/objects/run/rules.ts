/** Rules of a run: those of its deployment, what they make of a new task, and the wire's picture of them. */

import type { RulesView } from "../../contract/shapes.ts";
import type { TaskSpec } from "../../contract/task-spec.ts";
import { usdOf } from "../../prices/price.ts";
import { type Compiled, compileRules } from "../../rules/parse.ts";
import { sentenceOf } from "../../rules/print.ts";
import type { PlacedRule } from "../../rules/rule.ts";
import { wantedPriority } from "../../scheduler/create-tasks.ts";
import { replaceRules } from "../../scheduler/rules/evaluate.ts";
import {
  boundsUnder,
  type RulesFrom,
  type RunRule,
  rulesSources,
  workersUnder,
} from "../../scheduler/rules/run-rules.ts";
import type { RunState } from "../../scheduler/state.ts";
import type { Step } from "../../scheduler/step.ts";
import { hostedPool, type Task } from "../../scheduler/task.ts";
import type { TenantRules } from "../rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";

/** `HEDDLE_RULES`: rules that hold for every run of the deployment. */
export const deploymentRules = ({ HEDDLE_RULES }: { readonly HEDDLE_RULES?: string }): Compiled | undefined =>
  HEDDLE_RULES === undefined || HEDDLE_RULES.trim() === "" ? undefined : compileRules(HEDDLE_RULES);

/** Holds a run to the deployment's rules as they are now. Ones that can't be read change nothing: /health says so. */
export function holdToDeployment(step: Step, compiled: Compiled | undefined): void {
  if (compiled?.ok !== false) holdTo(step, "deployment", compiled?.rules ?? []);
}

/** Holds a run to its tenant's rules, unless it has had a later version of them. */
export function holdToTenant(step: Step, { store }: LoadedRun, { version, rules }: TenantRules): void {
  const held = Number(store.meta(heldVersion) ?? -1);
  if (version <= held) return;
  holdTo(step, "tenant", rules);
  store.setMeta(heldVersion, String(version));
}

const heldVersion = "tenant_rules";

function holdTo(step: Step, from: RulesFrom, all: readonly PlacedRule[]): void {
  const { rules, unpricedTokens } = step.state.header;
  // Where tokens without a price are spent nobody can say what is left of a budget in money; the other rules hold all the same.
  const wanted = unpricedTokens ? all.filter(({ rule }) => rule.kind !== "money") : all;
  const held = (rules?.rules ?? []).flatMap(({ from: of, line, rule }) => (of === from ? [{ line, rule }] : []));
  if (JSON.stringify(held) !== JSON.stringify(wanted)) replaceRules(step, from, wanted);
}

export interface Ruled {
  readonly spec: TaskSpec;
  /** What the caller is told. */
  readonly note?: string;
}

/** The task with the model that a rule says; those above the run go first. */
export function withRuledModel(
  { header }: RunState,
  spec: TaskSpec,
  { creator, root }: { readonly creator: Task | undefined; readonly root?: true },
): Ruled {
  if (!header.rules || (spec.pool ?? creator?.pool ?? hostedPool) !== hostedPool) return { spec };
  const priority = wantedPriority(spec, creator, root === true);
  const { rules } = header.rules;
  const fromAbove = rulesSources.flatMap((source) => rules.filter(({ from }) => from === source));
  for (const { from, line, rule } of fromAbove) {
    if (rule.kind !== "model" || !(rule.side === "below" ? priority < rule.priority : priority > rule.priority))
      continue;
    const own = spec.on_failure?.task;
    const isHosted = (own?.pool ?? spec.pool ?? creator?.pool ?? hostedPool) === hostedPool;
    const standIn = own && isHosted && { task: { ...own, model: rule.model } };
    const ruled = { ...spec, model: rule.model, ...(standIn && { on_failure: standIn }) };
    if (spec.model === rule.model) return { spec: ruled };
    const note = `By a rule (line ${line} of the ${from}'s: ${sentenceOf(rule)}) a task of priority ${priority} runs on "${rule.model}".`;
    return { spec: ruled, note };
  }
  return { spec };
}

export function rulesView({ header }: RunState): RulesView | null {
  const { rules } = header;
  if (!rules) return null;
  const { max, by } = workersUnder(header);
  const binding = by === undefined ? undefined : rules.rules[by];
  return {
    rules: rules.rules.map((one, i) => {
      const firing = rules.firings[i];
      return {
        ...named(one),
        ...(one.rule.kind === "when" && {
          on: firing?.on ?? false,
          fired: firing?.times ?? 0,
          changed_at: firing?.at ?? null,
        }),
      };
    }),
    workers: { max, by: binding ? named(binding) : null },
    limits: boundsUnder(header).map(({ limit, max: most, by: place }) => ({
      limit,
      max: limit === "usd" ? usdOf(most) : most,
      by: named(rules.rules[place]!),
    })),
  };
}

const named = ({ from, line, rule }: RunRule) => ({ from, line, rule: sentenceOf(rule) });
