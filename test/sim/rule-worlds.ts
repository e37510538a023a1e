/** Worlds with rules: which there are, whom they are about, and what must hold of them whatever happens. */

import { compileRules } from "../../src/rules/parse.ts";
import { sentenceOf } from "../../src/rules/print.ts";
import type { PlacedRule } from "../../src/rules/rule.ts";
import { nextClock } from "../../src/scheduler/clock.ts";
import type { Decided, SchedulerEvent } from "../../src/scheduler/events.ts";
import type { RunState } from "../../src/scheduler/state.ts";
import type { Task } from "../../src/scheduler/task.ts";
import type { Random } from "./random.ts";

const rules = [
  "at most 3 workers",
  "at most 6 workers",
  'at most 1 worker for label "browser"',
  'at most 2 workers for label "tool=maps"',
  'at most 1 worker for pool "laptop"',
  "at most 50 tasks, 4 children",
  "budget 900 tokens",
  "budget 0.001 dollars",
  "budget 120 tokens per task",
  "budget then fail",
  "when tokens used > 60%: at most 1 worker",
  'when tokens used > 300: at most 1 worker for label "browser"',
  "when tokens used > 80%: pause",
  "when money used > 50%: at most 2 workers",
  "when provider errors > 20% over 1 minute: halve workers",
  "when provider errors < 10% over 30 s: double workers up to 12",
  "when queue wait p95 > 20 s: double workers up to 10",
  "when queue wait p95 > 2 minutes over 5 minutes: pause",
  'when worker load > 60%: at most 1 worker for pool "laptop"',
  "when worker load >= 50% over 10 s: halve workers",
];

/** On what a run as a whole may take; in worlds that have them, since any other list is another world. */
const bounds = [
  "when model calls > 5: at most 2 workers",
  "when model calls >= 12: pause",
  "when run time > 30 s: pause",
  "when run time < 20 s: at most 1 worker",
  'when run time > 2 minutes: at most 1 worker for label "browser"',
  "when run time > 10 minutes: halve workers",
];

/** What no run waits for for ever. */
const lasting = [
  "at most 2 workers",
  'at most 1 worker for label "browser"',
  'at most 1 worker for pool "laptop"',
  "when worker load > 50%: at most 1 worker",
  "when provider errors > 20% over 1 minute: halve workers",
];

function placed(texts: readonly string[]): readonly PlacedRule[] {
  const compiled = compileRules(texts.map((text) => `- ${text}`).join("\n"));
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  return compiled.rules;
}

export class RuleWorld {
  readonly #random: Random;
  /** When each rule changed last. */
  readonly #changed = new Map<string, number>();

  readonly #texts: readonly string[];

  /** Hosted tasks, and those of them that have fallen back. */
  readonly #hosted = new Set<number>();
  readonly #fellBack = new Set<number>();
  #modelCalls = 0;
  /** The rule that pauses and has fired, until the run is paused. */
  #pauses: string | undefined;

  /** `priced`: models have prices there, and so a budget in money has a meaning. */
  constructor(random: Random, priced: boolean, bounded = false) {
    this.#random = random;
    this.#texts = [...rules, ...(bounded ? bounds : [])].filter((text) => priced || !/dollar|money/.test(text));
  }

  /** Some rules, or none. */
  some(): readonly PlacedRule[] {
    return placed(this.#texts.filter(() => this.#random.chance(0.25)));
  }

  /** None that could hold a run up for good. */
  lasting(share = 1): readonly PlacedRule[] {
    return placed(lasting.filter(() => this.#random.chance(share)));
  }

  labels(): Record<string, string> {
    return {
      ...(this.#random.chance(0.4) && { browser: this.#random.pick(["a", "b"])! }),
      ...(this.#random.chance(0.4) && { tool: this.#random.pick(["maps", "mail"])! }),
    };
  }

  load(): number {
    return this.#random.int(0, 100);
  }

  /** [F2] There is room for whoever starts now. */
  checkRoom({ book }: RunState, task: Task): void {
    if (book && (book.roomOf(book.labelsOf(task)) <= 0 || book.roomIn(task.pool) <= 0))
      throw new Error(`[F2] a worker too many beside task ${task.n}`);
  }

  /** [F7] [F8] After a command: calls are counted, and no rule on a run's calls or time is behind. */
  check(state: RunState, now: number): void {
    const { header } = state;
    const rings = nextClock(state) ?? Number.POSITIVE_INFINITY;
    const { modelCalls: calls = 0, createdAt, status, rules: held } = header;
    if (this.#pauses !== undefined && status === "active") throw new Error(`[F7] "${this.#pauses}" has paused nothing`);
    this.#pauses = undefined;
    if (calls !== this.#modelCalls) throw new Error(`[F7] ${calls} model calls, of ${this.#modelCalls}`);
    if (!held || (status !== "active" && status !== "paused")) return;
    for (const [place, { rule }] of held.rules.entries()) {
      if (rule.kind !== "when" || (rule.metric !== "model_calls" && rule.metric !== "run_time")) continue;
      const value = rule.metric === "model_calls" ? calls : now - createdAt;
      const { on = false, at = Number.NEGATIVE_INFINITY } = held.firings[place] ?? {};
      const holds = {
        ">": value > rule.value,
        ">=": value >= rule.value,
        "<": value < rule.value,
        "<=": value <= rule.value,
      };
      const mayAt = at + 60_000;
      if (holds[rule.op] && !on && now >= mayAt)
        throw new Error(`[F8] "${sentenceOf(rule)}" does not hold at ${value}`);
      const comesAt = Math.max(mayAt, createdAt + rule.value + 1);
      if (rule.metric === "run_time" && rule.op === ">" && !on && now < comesAt && !(rings <= comesAt))
        throw new Error(`[F8] no clock rings for "${sentenceOf(rule)}" at ${comesAt}`);
    }
  }

  /** Calls of models that have ended, by the log. */
  #countCalls(event: SchedulerEvent): void {
    if (event.type === "task_created" && event.pool === "hosted") this.#hosted.add(event.task);
    if (event.type === "task_retried") this.#fellBack.delete(event.task);
    if (event.type === "turn" && this.#hosted.has(event.task)) this.#modelCalls++;
    if (event.type !== "attempt_ended" && event.type !== "task_ended" && event.type !== "task_fell_back") return;
    const isOfModel = this.#hosted.has(event.task) && event.error?.code.startsWith("provider_");
    // Its own failure was told when it fell back.
    if (isOfModel && !this.#fellBack.has(event.task)) this.#modelCalls++;
    if (event.type === "task_fell_back") this.#fellBack.add(event.task);
  }

  /** [F5] A rule that stays changes no more often than once in its time. */
  add({ event }: Decided, at: number): void {
    this.#countCalls(event);
    if (event.type === "run_resumed") this.#pauses = undefined;
    if (event.type === "rules_set") {
      const kept = new Set(event.rules.map(({ rule }) => `${event.from} ${sentenceOf(rule)}`));
      for (const name of this.#changed.keys())
        if (name.startsWith(event.from) && !kept.has(name)) this.#changed.delete(name);
    }
    if (event.type !== "rule_fired" && event.type !== "rule_cleared") return;
    const name = `${event.from} ${event.text}`;
    const before = this.#changed.get(name);
    const { rule } = placed([event.text])[0]!;
    if (event.type === "rule_fired" && rule.kind === "when" && rule.action.kind === "pause") this.#pauses = event.text;
    const window = rule.kind === "when" ? (rule.windowMs ?? 60_000) : 0;
    if (before !== undefined && at - before < window)
      throw new Error(`[F5] ${event.text}: ${at - before} ms after its last change`);
    this.#changed.set(name, at);
  }
}
