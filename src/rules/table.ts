/**
 * The one table of what a rule can say. The parser, its suggestions and docs/rules.md are made of it: a form that is not here
 * does not exist, and one that is here is documented.
 *
 * In a pattern, `{slot}` is a value (values.ts), `[…]` may be left out, and all else are words.
 */

import { runDepthMax, runTasksMax, runUsdMax, runWorkersMax } from "../limits.ts";
import { nanosOf } from "../prices/price.ts";
import { type FindingKind, type FindingKnob, knobsOf } from "./finding-kinds.ts";
import type { Action, Condition, FindingRule, Limit, Metric, Unit, WorkersLimit } from "./rule.ts";
import { countText, type Slots } from "./values.ts";

export interface Form<Part> {
  readonly pattern: string;
  readonly example: string;
  /** What its values are. */
  readonly unit: string;
  /** What the rule does. */
  readonly does: string;
  /** The least and the most that the slots `count` and `money` may be. */
  readonly from?: number;
  readonly upTo?: number;
  /** Why these values don't go together. */
  readonly refuses?: (slots: Slots) => string | undefined;
  readonly make: (slots: Slots) => Part;
}

const tokensMax = 1_000_000_000_000;

const workersForms: readonly Form<WorkersLimit>[] = [
  {
    pattern: "at most {count} workers",
    example: "at most 8 workers",
    unit: `tasks, 1 to ${countText(runWorkersMax)}`,
    does: "So many tasks of the run work at a time, hosted ones and those of pull workers together.",
    upTo: runWorkersMax,
    make: ({ count }) => ({ kind: "workers", max: count }),
  },
  {
    pattern: "at most {count} workers for label {label}",
    example: 'at most 2 workers for label "browser"',
    unit: `tasks, 1 to ${countText(runWorkersMax)}`,
    does: 'So many tasks that have the label work at a time, whatever its value; `"tool=browser"` means the label `tool` with the value `browser`. A task has the labels of the one that created it.',
    upTo: runWorkersMax,
    make: ({ count, label }) => ({ kind: "workers", max: count, label }),
  },
  {
    pattern: "at most {count} workers for pool {pool}",
    example: 'at most 1 worker for pool "laptop"',
    unit: `tasks, 1 to ${countText(runWorkersMax)}`,
    does: "So many tasks of the pool work at a time.",
    upTo: runWorkersMax,
    make: ({ count, pool }) => ({ kind: "workers", max: count, pool }),
  },
];

export const boundForms: readonly Form<Limit>[] = [
  ...workersForms,
  {
    pattern: "at most {count} tasks",
    example: "at most 500 tasks",
    unit: `tasks, 1 to ${countText(runTasksMax)}`,
    does: "The run creates no more; `create_task` is then refused with `limit_tasks`.",
    upTo: runTasksMax,
    make: ({ count }) => ({ kind: "tasks", max: count }),
  },
  {
    pattern: "at most depth {count}",
    example: "at most depth 4",
    unit: `levels of forks, 1 to ${runDepthMax}`,
    does: "A task of that depth creates none (`limit_depth`).",
    upTo: runDepthMax,
    make: ({ count }) => ({ kind: "depth", max: count }),
  },
  {
    pattern: "at most {count} children [per task]",
    example: "at most 50 children per task",
    unit: `tasks, 0 to ${countText(runTasksMax)}`,
    does: "One task creates no more (`limit_children`).",
    from: 0,
    upTo: runTasksMax,
    make: ({ count }) => ({ kind: "children", max: count }),
  },
  {
    pattern: "budget {count} tokens",
    example: "budget 2,000,000 tokens",
    unit: "tokens, input and output together",
    does: "The run uses no more: it pauses with `reason: budget`, and nothing fails unless a rule says `then fail`.",
    upTo: tokensMax,
    make: ({ count }) => ({ kind: "tokens", max: count }),
  },
  {
    pattern: "budget {money}",
    example: "budget 5 dollars",
    unit: "US dollars, `$5` or `5 dollars`",
    does: "As with tokens. Every model of the run must have a known price.",
    upTo: nanosOf(runUsdMax),
    make: ({ money }) => ({ kind: "money", nanos: money }),
  },
  {
    pattern: "budget {count} tokens per task",
    example: "budget 60,000 tokens per task",
    unit: "tokens, input and output together",
    does: "Each task uses no more by itself, those that it creates apart; one that needs more fails with `max_tokens`, a pull worker's after the turn that reached it.",
    upTo: tokensMax,
    make: ({ count }) => ({ kind: "task_tokens", max: count }),
  },
  {
    pattern: "budget then fail",
    example: "budget then fail",
    unit: "",
    does: "Behind a budget, as in `budget 2,000,000 tokens, then fail`, or alone: at the end of the run's budget, whoever set it, tasks that need more than is left fail with `budget_exhausted`, and the run does not pause. What depends on them is skipped or runs, as after any failure.",
    make: () => ({ kind: "budget_end", by: "fail" }),
  },
  {
    pattern: "use model {model} for priority below {priority}",
    example: 'use model "claude-haiku-4-5" for priority below 3',
    unit: "a priority, 0 to 9",
    does: "New hosted tasks of a lower priority run on that model, whatever they name themselves.",
    make: ({ model, priority }) => ({ kind: "model", model, side: "below", priority }),
  },
  {
    pattern: "use model {model} for priority above {priority}",
    example: 'use model "claude-opus-4-5" for priority above 7',
    unit: "a priority, 0 to 9",
    does: "… of a higher priority.",
    make: ({ model, priority }) => ({ kind: "model", model, side: "above", priority }),
  },
];

const knob = (name: FindingKnob) => ({
  refuses: ({ finding }: Slots) => (knobsOf(finding)[name] === undefined ? knobsText(finding) : undefined),
});
const findingRule = (finding: FindingKind, name: FindingKnob, value: number): FindingRule => ({
  ...{ kind: "finding", finding, knob: name, value },
});

export const findingForms: readonly Form<FindingRule>[] = [
  {
    pattern: "no finding {finding}",
    example: "no finding straggler",
    unit: "a kind of finding",
    does: "The run's findings have none of this kind.",
    make: ({ finding }) => ({ kind: "finding", finding, off: true }),
  },
  {
    pattern: "finding {finding} after {time}",
    example: "finding starvation after 2 minutes",
    unit: "time",
    does: "It speaks only from that time on.",
    ...knob("after"),
    make: ({ finding, time }) => findingRule(finding, "after", time),
  },
  {
    pattern: "finding {finding} above {percent}",
    example: "finding contention above 30%",
    unit: "a share",
    does: "… only from that share on.",
    ...knob("above"),
    make: ({ finding, percent }) => findingRule(finding, "above", percent),
  },
  {
    pattern: "finding {finding} from {count}",
    example: "finding excessive_branching from 200",
    unit: "a number, 1 to 1,000,000,000",
    does: "… only from that number on.",
    upTo: 1_000_000_000,
    ...knob("from"),
    make: ({ finding, count }) => findingRule(finding, "from", count),
  },
];

export const limitForms: readonly Form<Limit>[] = [...boundForms, ...findingForms];

type Given = Pick<Slots, "op"> & Partial<Slots>;
const measured = (metric: Metric, unit: Unit, value: number, { op, window }: Given): Condition => ({
  metric,
  op,
  value,
  unit,
  ...(window !== undefined && { windowMs: window }),
});

export const conditionForms: readonly Form<Condition>[] = [
  {
    pattern: "tokens used {op} {percent}",
    example: "tokens used > 80%",
    unit: "part of the run's budget in tokens",
    does: "Tokens that the run has used. Without a budget it is never true.",
    make: (slots) => measured("tokens_used", "percent", slots.percent, slots),
  },
  {
    pattern: "tokens used {op} {count}",
    example: "tokens used > 1,000,000",
    unit: "tokens",
    does: "The same, in tokens: it needs no budget.",
    from: 0,
    upTo: tokensMax,
    make: (slots) => measured("tokens_used", "tokens", slots.count, slots),
  },
  {
    pattern: "money used {op} {percent}",
    example: "money used > 80%",
    unit: "part of the run's budget in dollars",
    does: "What the run's tokens have cost. Without a budget it is never true.",
    make: (slots) => measured("money_used", "percent", slots.percent, slots),
  },
  {
    pattern: "money used {op} {money}",
    example: "money used > 4 dollars",
    unit: "US dollars",
    does: "The same, in dollars; models without a price count as nothing.",
    from: 0,
    upTo: nanosOf(runUsdMax),
    make: (slots) => measured("money_used", "nanos", slots.money, slots),
  },
  {
    pattern: "model calls {op} {count}",
    example: "model calls > 2,000",
    unit: "calls, those of hosted tasks",
    does: "Calls of models that have ended since the run began, refused ones too. With `pause` that is a budget of calls; calls that are under way then still end.",
    from: 0,
    upTo: tokensMax,
    make: (slots) => measured("model_calls", "calls", slots.count, slots),
  },
  {
    pattern: "run time {op} {duration}",
    example: "run time > 2 hours",
    unit: "time, up to 30 days",
    does: "Since the run was created, pauses included. With `pause` that is a budget of time: no task starts and none takes another turn after it.",
    make: (slots) => measured("run_time", "ms", slots.duration, slots),
  },
  {
    pattern: "provider errors {op} {percent} [over {window}]",
    example: "provider errors > 10% over 1 minute",
    unit: "part of the model calls that ended within the time",
    does: "Model calls that the provider refused, broke off or did not answer.",
    make: (slots) => measured("provider_errors", "percent", slots.percent, slots),
  },
  {
    pattern: "queue wait p95 {op} {time} [over {window}]",
    example: "queue wait p95 > 30 s",
    unit: "time",
    does: "How long tasks were ready before they started, of those that started within the time and those that are ready now: 95% of them waited no longer.",
    make: (slots) => measured("queue_wait_p95", "ms", slots.time, slots),
  },
  {
    pattern: "worker load {op} {percent} [over {window}]",
    example: "worker load > 90%",
    unit: "part of a machine",
    does: "The mean of the loads that pull workers reported last within the time, when they asked this run for tasks: those of the pool that the rule names, or all.",
    make: (slots) => measured("worker_load", "percent", slots.percent, slots),
  },
];

export const actionForms: readonly Form<Action>[] = [
  ...workersForms.map((form) => ({ ...form, does: `While the condition holds: ${uncapitalised(form.does)}` })),
  {
    pattern: "halve workers",
    example: "halve workers",
    unit: "",
    does: "Half as many tasks work at a time, 1 at least; half of that, while the condition still holds after another time of it. When it no longer does, they are doubled again, step by step.",
    make: () => ({ kind: "halve" }),
  },
  {
    pattern: "double workers",
    example: "double workers",
    unit: "",
    does: `Twice as many, up to ${countText(runWorkersMax)} and to \`limits.workers\` where the run names it; twice that while the condition still holds, and back step by step.`,
    make: () => ({ kind: "double" }),
  },
  {
    pattern: "double workers up to {count}",
    example: "double workers up to 32",
    unit: `tasks, 1 to ${countText(runWorkersMax)}`,
    does: "… but no more than so many.",
    upTo: runWorkersMax,
    make: ({ count }) => ({ kind: "double", max: count }),
  },
  {
    pattern: "pause",
    example: "pause",
    unit: "",
    does: "The run pauses with `reason: rule`, until it is resumed by hand. It pauses again only after the condition was false in between, so by what only grows (calls, time) once: another rule, with more, bounds what follows.",
    make: () => ({ kind: "pause" }),
  },
];

function uncapitalised(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

const knobWords: Readonly<Record<FindingKnob, string>> = { after: "after TIME", above: "above N%", from: "from N" };

/** Of another kind's knob. */
function knobsText(finding: FindingKind): string {
  const knobs = Object.keys(knobsOf(finding)) as FindingKnob[];
  if (knobs.length === 0) return `${finding} has no threshold: say "no finding ${finding}", or nothing`;
  return `${finding} can be set with ${knobs.map((one) => `"${knobWords[one]}"`).join(" or ")}`;
}

/** Words that mean the same in rules; the first is what patterns say. */
export const alternates: Readonly<Record<string, readonly string[]>> = {
  workers: ["worker"],
  tasks: ["task"],
  task: ["tasks"],
  children: ["child"],
  tokens: ["token"],
  errors: ["error"],
  "%": ["percent"],
};
