/**
 * Rules tried on a run that was: its log is folded as it is, with these in place of the run's own, and what they would have done
 * is counted. A log can't say how the run would have gone on under them, so each count is of what happened without.
 *
 * Owns: the counts. Does not own: what rules mean (run-rules.ts, evaluate.ts), which are the same here as in a run.
 */

import { ruleTimersInARow } from "../../limits.ts";
import type { PlacedRule, Rule } from "../../rules/rule.ts";
import { apply } from "../apply.ts";
import { spentTokens } from "../budget.ts";
import type { SchedulerEvent } from "../events.ts";
import { emptyHeader, isRunEnded, RunState } from "../state.ts";
import { Step } from "../step.ts";
import { hostedPool } from "../task.ts";
import { evaluateRules } from "./evaluate.ts";
import { workersUnder } from "./run-rules.ts";

export interface Tried extends PlacedRule {
  /** How often a rule with a condition would have fired, in the run as it went. */
  fired: number;
  /** Tasks that it would have kept waiting, created not at all, failed, or given another model. */
  readonly tasks: Set<number>;
  /** When it would have done something for the first time; 0: never. */
  firstAt: number;
}

export class RuleTrial {
  readonly #state = new RunState(emptyHeader(), () => undefined);
  readonly #tried: readonly Tried[];

  constructor(placed: readonly PlacedRule[]) {
    this.#tried = placed.map((one) => ({ ...one, fired: 0, tasks: new Set(), firstAt: 0 }));
  }

  /** The next event of the log. */
  add(event: SchedulerEvent, seq: number, at: number): void {
    this.#ring(at);
    // What the run's own rules did is not what these would do; that it was then is.
    if (event.type === "rules_set" || event.type === "rule_fired" || event.type === "rule_cleared") {
      this.#evaluate(at);
      return;
    }
    this.#judge(event, at);
    apply(this.#state, event, seq, at);
    if (event.type === "run_created")
      apply(this.#state, { type: "rules_set", from: "run", rules: this.#tried }, seq, at);
    this.#evaluate(at);
    if (event.type === "turn") this.#spent(event.task, at);
  }

  /** `now`: up to when nothing more has happened. */
  finish(now: number): readonly Tried[] {
    this.#ring(now);
    return this.#tried;
  }

  /** Conditions that only time makes true. */
  #ring(until: number): void {
    const { book } = this.#state;
    for (let i = 0; i < ruleTimersInARow && book && book.dueAt < until; i++) this.#evaluate(book.dueAt);
  }

  #evaluate(at: number): void {
    if (isRunEnded(this.#state)) return;
    const step = new Step(this.#state, at);
    evaluateRules(step);
    for (const { event } of step.decided)
      if (event.type === "rule_fired") this.#note(this.#tried[event.rule], at).fired++;
  }

  #note(tried: Tried | undefined, at: number, task = 0): { fired: number } {
    if (!tried) return { fired: 0 };
    tried.firstAt ||= at;
    if (task > 0) tried.tasks.add(task);
    return tried;
  }

  /** What would have stood in the way of what happened. */
  #judge(event: SchedulerEvent, at: number): void {
    const { header, working } = this.#state;
    if (event.type === "task_started") {
      const { book } = this.#state;
      const task = this.#state.task(event.task);
      const { max, by } = workersUnder(header);
      if (by !== undefined && working >= max) this.#note(this.#tried[by], at, event.task);
      for (const [i, tried] of this.#tried.entries()) {
        const limit = tried.rule.kind === "when" ? tried.rule.action : tried.rule;
        if (limit.kind === "pause" && header.rules?.firings[i]?.on) this.#note(tried, at, event.task);
        if (limit.kind !== "workers" || (limit.label === undefined && limit.pool === undefined)) continue;
        if (tried.rule.kind === "when" && !header.rules?.firings[i]?.on) continue;
        const isFull = limit.pool === task.pool ? book!.roomIn(task.pool) <= 0 : this.#isFull(limit.label, event.task);
        if (isFull) this.#note(tried, at, event.task);
      }
    }
    if (event.type !== "task_created") return;
    const creator = event.parent > 0 ? this.#state.find(event.parent) : undefined;
    for (const tried of this.#tried) {
      const { rule } = tried;
      const isRefused =
        (rule.kind === "tasks" && header.taskCount >= rule.max) ||
        (rule.kind === "depth" && event.depth > rule.max) ||
        (rule.kind === "children" && creator !== undefined && creator.childrenMade >= rule.max);
      if (isRefused || (rule.kind === "model" && event.pool === hostedPool && isOfPriority(rule, event.priority)))
        this.#note(tried, at, event.task);
    }
  }

  #isFull(label: string | undefined, n: number): boolean {
    const { book } = this.#state;
    if (label === undefined || !book) return false;
    const labels = book.labelsOf(this.#state.task(n)).filter((i) => book.nameOf(i) === label);
    return labels.length > 0 && book.roomOf(labels) <= 0;
  }

  /** Budgets that would have been passed. */
  #spent(n: number, at: number): void {
    const { header } = this.#state;
    const task = this.#state.task(n);
    for (const tried of this.#tried) {
      const { rule } = tried;
      const isOver =
        (rule.kind === "tokens" && spentTokens(this.#state) > rule.max) ||
        (rule.kind === "money" && (header.nanos ?? 0) > rule.nanos) ||
        (rule.kind === "task_tokens" && task.inputTokens + task.outputTokens > rule.max);
      if (isOver) this.#note(tried, at, n);
    }
  }
}

const isOfPriority = (rule: Extract<Rule, { kind: "model" }>, priority: number): boolean =>
  rule.side === "below" ? priority < rule.priority : priority > rule.priority;
