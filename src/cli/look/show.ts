/** `heddle show` */

import type { Heddle } from "../../client/heddle.ts";
import type { RunView, TaskView } from "../../client/replies.ts";
import type { TasksQuery } from "../../client/requests.ts";
import { duration } from "../../duration.ts";
import { pageRowsMax, tasksShownDefault } from "../../limits.ts";
import { firstRows } from "../all-rows.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { clockTime, dateTime, oneLine } from "../plain-text.ts";
import { countsText, questionsText, totalOf } from "../run/counts.ts";
import { goesOnText } from "../run/pauses.ts";
import { moneyText, tokensText } from "../run/spent.ts";
import { colourOf } from "../screen/colours.ts";
import { note, paintOf, say, sayFields, sayJson, sayTable } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";
import { textsOf, UsageError, wholeNumber } from "../usage.ts";
import { availabilityLine } from "./availability-line.ts";
import { limitWords, ruleText, workersText } from "./rules-text.ts";
import { mostSeatsText } from "./seats-text.ts";
import { causesText, errorLine, outcomeText, progressText, resultText, tookText, waitingText } from "./task-text.ts";

/** Flags that say which tasks a table has. */
const ofTables = ["state", "key", "label", "pool", "parent", "limit", "all"];

export const showCommand: Command = {
  name: "show",
  group: "Look",
  summary: "a run's state with its tasks, or one task",
  words: [
    { name: "RUN", names: "run" },
    { name: "TASK", names: "task", optional: true },
  ],
  flags: {
    state: {
      value: "STATE",
      choices: ["waiting", "ready", "running", "parked", "succeeded", "failed", "cancelled", "skipped"],
      about: "only tasks of this state",
    },
    key: { value: "KEY", about: "only tasks of this key, whoever created them" },
    label: { value: "LABEL", about: "only tasks that have this label: NAME, or NAME=VALUE" },
    pool: { value: "POOL", about: "only tasks of this pool" },
    parent: { value: "TASK", about: "only tasks that this one created" },
    limit: { value: "N", about: `the first N tasks (default ${tasksShownDefault})` },
    all: { without: ["limit"], about: "all tasks" },
    json: {
      about: 'of a run {"run", "tasks", "tasks_left"} as one JSON object; of a task the task itself',
    },
  },
  ask: "Name one run, and one of its tasks if you like.",
  about: `Shows a run: its status, tasks per state, seats, tokens and findings, and a table of its tasks.
With TASK (an id, or a key of a task posted to the run) it shows that task: state, what it waits for, result or error, timings;
of the flags it then takes --json alone.`,
  more: `Exit status: 0; 1 no such run or task, or the server refused; 2 usage; 3 server not reached.

Examples:
  heddle show run_… --state failed
  heddle show run_… --label team=red --all
  heddle show run_… report --json | jq .result`,
  run: async ({ flags, words: [id, task] }) => {
    const json = flags.json === true;
    const stray = task !== undefined && ofTables.find((flag) => flags[flag] !== undefined);
    if (stray) throw new UsageError(`--${stray} goes with the table of a run's tasks, and not with TASK.`, "show");
    const limit = wholeNumber(flags, "limit", { min: 0, max: Number.MAX_SAFE_INTEGER, fallback: tasksShownDefault });
    const client = await reach();
    if (task !== undefined) {
      const view = await client.task(id!, task);
      if (json) sayJson(view);
      else sayTask(view);
      return exitStatus.ok;
    }
    const run = await client.run(id!);
    const { tasks, left } = await firstTasks(
      client,
      run,
      textsOf(flags, "state", "key", "label", "pool", "parent") as TasksQuery,
      flags.all === true ? Number.POSITIVE_INFINITY : limit,
    );
    if (json) sayJson({ run, tasks, tasks_left: left });
    else {
      sayRun(run, tasks, left);
      if (tasks.length === 0 && left === 0 && totalOf(run.counts) > 0)
        note("No task of the run is one of those asked for.");
    }
    return exitStatus.ok;
  },
};

/** The first `count` of them, and how many more there are; null: some, which the run does not count. */
async function firstTasks(
  client: Heddle,
  { id, counts }: RunView,
  which: TasksQuery,
  count: number,
): Promise<{ tasks: TaskView[]; left: number | null }> {
  const { state, ...others } = which;
  const isCounted = Object.keys(others).length === 0;
  const wanted = isCounted ? count : count + 1;
  const tasks = await firstRows(client.tasks(id, { ...which, limit: Math.min(wanted, pageRowsMax) }), wanted);
  if (!isCounted) return { tasks: tasks.slice(0, count), left: tasks.length > count ? null : 0 };
  const total = state === undefined ? totalOf(counts) : counts[state];
  return { tasks, left: Math.max(0, total - tasks.length) };
}

function sayRun(run: RunView, tasks: readonly TaskView[], left: number | null): void {
  const paint = paintOf();
  const status = paint(run.status, colourOf(run.status));
  const state = [
    status,
    run.reason !== null && `(${oneLine(run.reason)})`,
    run.idle && run.ended_at === null && "idle",
  ];
  say(`Run ${run.id}${run.name === null ? "" : ` "${oneLine(run.name)}"`}: ${state.filter(Boolean).join(" ")}`);
  sayFields({
    tasks: countsText(run.counts),
    root: run.root,
    seats: `${run.seats.open} open, ${run.seats.target} wanted, ${mostSeatsText(run)} at most`,
    tokens: tokensText(run),
    cost: run.usage.tokens > 0 || (run.limits.usd ?? null) !== null ? moneyText(run) : "",
    "goes on": goesOnText(run),
    workers: run.rules && workersText(run.rules),
    rules: rulesText(run),
    providers: availabilityText(run),
    // Those that only the whole log shows are not counted: looking for them takes a fold of it.
    findings: `${run.findings || "none"} as it went; all: heddle findings ${run.id}`,
    questions: questionsText(run),
    created: dateTime(run.created_at),
    took:
      run.ended_at === null
        ? `${duration(Date.now() - run.created_at)} so far`
        : duration(run.ended_at - run.created_at),
    "kept until": !run.expires_at ? "" : `${dateTime(run.expires_at)}; longer: heddle retain ${run.id} DAYS`,
  });
  if (tasks.length > 0) {
    say("");
    sayTable(columns, tasks);
  }
  if (left === null) note("More are not shown: --all, or --limit N.");
  else if (left > 0) note(`${left} more ${left === 1 ? "is" : "are"} not shown: --all, --limit N, or --state STATE.`);
}

/** Models that were refused, and seats that gave trouble. */
function availabilityText({ availability = [] }: Partial<RunView>): string | undefined {
  const told = availability.filter(({ why, left }) => why !== null || left === 0);
  if (told.length === 0) return undefined;
  return told.map((view) => availabilityLine(view)).join("\n");
}

/** Those that bind a limit, and those with a condition that hold now, or did. */
function rulesText({ rules }: RunView): string | undefined {
  if (!rules) return undefined;
  const fired = rules.rules.filter((rule) => rule.fired);
  const binding = rules.limits.map(({ limit, by }) => `${limitWords[limit]}: ${ruleText(by)}`);
  if (fired.length + binding.length === 0) return `${rules.rules.length}`;
  const held = fired.map(
    (rule) => `${rule.on ? "holds now" : "held before"} (fired ${rule.fired}×): ${ruleText(rule)}`,
  );
  return [...binding, ...held].join("\n");
}

function sayTask(task: TaskView): void {
  const paint = paintOf();
  const name = task.title ?? task.key;
  const { usage, timings } = task;
  say(`Task ${task.id}${name === null ? "" : ` "${oneLine(name)}"`}: ${paint(task.state, colourOf(task.state))}`);
  const raised = task.effective_priority === task.priority ? "" : `, raised to ${task.effective_priority}`;
  sayFields({
    key: task.key,
    "waits for": waitingText(task),
    progress: task.progress ? `${progressText(task)} (${clockTime(task.progress.at)})` : "",
    parent: task.parent,
    after: task.after.join(", "),
    priority: `${task.priority}${raised}`,
    pool: task.pool,
    labels: Object.entries(task.labels)
      .map(([label, value]) => oneLine(`${label}=${value}`))
      .join(", "),
    generation: task.generation > 1 ? task.generation : "",
    attempts: task.attempts,
    turns: task.turns,
    tokens: `${usage.input_tokens} in, ${usage.output_tokens} out, ${usage.cache_read_tokens} of the input read from caches`,
    "failed unseen": task.children_failed > 0 ? `${task.children_failed} of its tasks` : "",
    created: dateTime(timings.created_at),
    ready: at(timings.ready_at),
    started: at(timings.started_at),
    ended: at(timings.ended_at),
    took: tookText(task),
    error: errorLine(task.error),
    why: causesText(task),
    hint: task.error?.hint,
  });
  if (task.state === "succeeded") say(`\n${resultText(task.result)}`);
}

const at = (time: number | null): string => (time === null ? "" : dateTime(time));

const columns: readonly Column<TaskView>[] = [
  { title: "TASK", of: ({ id }) => id },
  { title: "KEY", of: ({ key }) => key, least: 6 },
  { title: "TITLE", of: ({ title }) => title, least: 8 },
  { title: "STATE", of: ({ state }) => state, colour: ({ state }) => colourOf(state) },
  { title: "POOL", of: ({ pool }) => (pool === "hosted" ? "" : pool), least: 4 },
  { title: "TURNS", of: ({ turns }) => turns, align: "right" },
  { title: "TIME", of: tookText, align: "right" },
  { title: "OUTCOME", of: outcomeText, least: 12 },
];
