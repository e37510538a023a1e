/** `heddle compare` */

import type { CriticalPathView, RunView, TimeKind } from "../../client/replies.ts";
import { duration } from "../../duration.ts";
import { pageRowsMax } from "../../limits.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { oneLine } from "../plain-text.ts";
import { paintOf, say, sayJson, sayTable } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";

/** Tasks that are shown: those that changed most. */
const tasksShown = 10;

export const compareCommand: Command = {
  name: "compare",
  group: "Look",
  summary: "two runs side by side: time, tokens, cost, and which tasks changed",
  words: [
    { name: "RUN", names: "run" },
    { name: "OTHER", names: "run" },
  ],
  flags: { json: { about: 'one JSON object: {"figures": [{"name", "unit", "before", "after"}], "tasks": […]}' } },
  ask: "Name two runs.",
  about: `Shows two runs side by side, the first as "before": makespan, what more workers could gain, what all tasks' time went
to, tokens, cost and cache; and of tasks with the same key those whose time changed most.`,
  more: `Of a run with more than 1,000 tasks those with the least slack are compared.
Exit status: 0; 1 no such run, or the server refused; 2 usage; 3 server not reached.`,
  run: async ({ flags, words: [before, after] }) => {
    const client = await reach();
    const look = async (run: string): Promise<Side> => ({
      run: await client.run(run),
      path: await client.criticalPath(run, { limit: pageRowsMax }),
    });
    const [one, other] = [await look(before!), await look(after!)];
    const figures = figuresOf(one, other);
    const tasks = changesOf(one.path, other.path);
    if (flags.json === true) {
      sayJson({ figures, tasks });
      return exitStatus.ok;
    }
    sayTable(figureColumns, figures);
    const shown = tasks.filter(({ before, after }) => before !== after).slice(0, tasksShown);
    if (shown.length > 0) {
      say(`\n${paintOf()("Tasks that changed most", "bold")}`);
      sayTable(taskColumns, shown);
    }
    return exitStatus.ok;
  },
};

interface Side {
  readonly run: RunView;
  readonly path: CriticalPathView;
}

interface Figure {
  readonly name: string;
  readonly unit: "ms" | "tokens" | "usd" | "tasks" | "ratio";
  readonly before: number | null;
  readonly after: number | null;
}

/** Time of a task that both runs have, without waiting for others. */
interface Change {
  readonly key: string;
  readonly before: number;
  readonly after: number;
}

function figuresOf(one: Side, other: Side): Figure[] {
  const figure = (name: string, unit: Figure["unit"], of: (side: Side) => number | null): Figure => ({
    ...{ name, unit, before: of(one), after: of(other) },
  });
  const kinds = [...new Set([one, other].flatMap(({ path }) => Object.keys(path.time) as TimeKind[]))];
  const spent = kinds
    .map((kind) => figure(`all tasks: ${kind}`, "ms", ({ path }) => path.time[kind] ?? 0))
    .filter(({ before, after }) => before !== 0 || after !== 0)
    .sort((a, b) => Math.max(b.before!, b.after!) - Math.max(a.before!, a.after!));
  return [
    figure("makespan", "ms", ({ path }) => path.makespan_ms),
    figure("with a worker for every task", "ms", ({ path }) => path.ideal.makespan_ms),
    figure("tasks with a worker, on average", "ratio", ({ path }) => path.parallelism.average),
    ...spent,
    figure("tasks", "tasks", ({ run }) => Object.values(run.counts).reduce((sum, count) => sum + count, 0)),
    figure("failed", "tasks", ({ run }) => run.counts.failed),
    figure("input tokens", "tokens", ({ run }) => run.usage.input_tokens),
    figure("output tokens", "tokens", ({ run }) => run.usage.output_tokens),
    figure("of the input from caches", "ratio", ({ run }) => run.cache.hit_ratio),
    figure("cost", "usd", ({ run }) => run.cost),
    figure("findings of the run's own", "tasks", ({ run }) => run.findings),
  ];
}

/** What waits for others is theirs, and not the task's. */
const others: ReadonlySet<TimeKind> = new Set(["dependencies", "tasks", "children", "paused", "fallback"]);

function timesByKey({ tasks }: CriticalPathView): Map<string, number> {
  const times = new Map<string, number>();
  for (const { key, by_kind } of tasks) {
    if (key === null) continue;
    const own = (Object.entries(by_kind) as [TimeKind, number][]).filter(([kind]) => !others.has(kind));
    times.set(key, (times.get(key) ?? 0) + own.reduce((sum, [, ms]) => sum + ms, 0));
  }
  return times;
}

function changesOf(one: CriticalPathView, other: CriticalPathView): Change[] {
  const after = timesByKey(other);
  return [...timesByKey(one)]
    .flatMap(([key, before]) => (after.has(key) ? [{ key, before, after: after.get(key)! }] : []))
    .sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before));
}

function shown(value: number | null, unit: Figure["unit"]): string {
  if (value === null) return "unknown";
  if (unit === "ms") return duration(value);
  if (unit === "usd") return `$${value.toPrecision(3)}`;
  return unit === "ratio" ? value.toFixed(2) : value.toLocaleString("en");
}

/** `−12 %`, `+3 %`; nothing where there was none before. */
function changeText(before: number | null, after: number | null): string {
  if (before === null || after === null || before === 0 || before === after) return "";
  const percent = Math.round((after / before - 1) * 100);
  return `${percent > 0 ? "+" : ""}${percent} %`;
}

const figureColumns: readonly Column<Figure>[] = [
  { title: "", of: ({ name }) => name },
  { title: "BEFORE", of: ({ before, unit }) => shown(before, unit), align: "right" },
  { title: "AFTER", of: ({ after, unit }) => shown(after, unit), align: "right" },
  { title: "CHANGE", of: ({ before, after }) => changeText(before, after), align: "right" },
];

const taskColumns: readonly Column<Change>[] = [
  { title: "TASK", of: ({ key }) => oneLine(key), least: 12 },
  { title: "BEFORE", of: ({ before }) => duration(before), align: "right" },
  { title: "AFTER", of: ({ after }) => duration(after), align: "right" },
  { title: "CHANGE", of: ({ before, after }) => changeText(before, after), align: "right" },
];
