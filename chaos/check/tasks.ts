/** What became of tasks: those told are there once, each ends once and as it was to, and what was shown never changes. */

import type { TaskView } from "../../src/client/index.ts";
import { type Call, type Expected, type FoundRun, isEnded, type Planned, type World } from "../history.ts";
import type { RunIds } from "./copies.ts";
import { answersIn, isError, mayBeCancelled, plannedOf, postsOf } from "./ops.ts";
import type { Broken } from "./violation.ts";
import { fenceIn } from "./work.ts";

export function taskRules(world: World, ids: RunIds, found: FoundRun): Broken[] {
  const { run, of } = ids;
  return [
    ...(run === of ? posted(world, run, found) : []),
    ...ends(world, ids, found),
    ...shown(world, run, found),
    ...retried(world, run, found),
    ...reported(world, run, found),
    ...answered(world, run),
    ...made(world, of, found),
  ];
}

/** That the answer is the task's is in its result. */
function answered(world: World, run: string): Broken[] {
  const times = new Map<string, number>();
  for (const { run: of, act, outcome } of world.calls)
    if (of === run && act.kind === "answer" && outcome.kind === "told")
      times.set(act.question, (times.get(act.question) ?? 0) + 1);
  return [...times]
    .filter(([, found]) => found > 1)
    .map(([about, found]) => ({ sort: "twice", rule: "a question is answered once", about, told: 1, found }));
}

function posted(world: World, run: string, found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  const byKey = new Map<string, TaskView[]>();
  for (const task of found.tasks) {
    if (task.parent !== null || task.id === found.run.root || task.key === null) continue;
    byKey.set(task.key, [...(byKey.get(task.key) ?? []), task]);
  }
  for (const call of postsOf(world, run)) {
    const planned = plannedOf(call);
    const there = planned.filter(({ key }) => byKey.has(key));
    const told = toldTasks(call);
    for (const { key } of planned) {
      const tasks = byKey.get(key) ?? [];
      byKey.delete(key);
      if (tasks.length > 1)
        broken.push({
          ...{ sort: "twice", rule: "a task posted once is there once", about: key },
          ...{ told: told?.get(key) ?? null, found: tasks.map(({ id }) => id) },
        });
      if (told && tasks.length === 0)
        broken.push({
          ...{ sort: "lost", rule: "a task told is there", about: key, told: told.get(key), found: null },
        });
      if (told && tasks[0] && told.get(key) !== tasks[0].id)
        broken.push({
          ...{ sort: "wrong", rule: "a task has the id that was told", about: key },
          ...{ told: told.get(key), found: tasks[0].id },
        });
      if (call.outcome.kind === "refused" && tasks.length > 0)
        broken.push({
          ...{
            sort: "wrong",
            rule: "a refused task is not there",
            about: key,
            told: call.outcome,
            found: tasks[0]!.id,
          },
        });
    }
    if (there.length > 0 && there.length < planned.length)
      broken.push({
        ...{ sort: "lost", rule: "a batch is there whole or not at all" },
        ...{
          about: planned.map(({ key }) => key).join(" "),
          told: call.outcome.kind,
          found: there.map(({ key }) => key),
        },
      });
  }
  for (const [key, tasks] of byKey)
    broken.push({
      ...{ sort: "wrong", rule: "nothing is there that nobody posted", about: key, told: null, found: tasks[0]!.id },
    });
  return broken;
}

/** Key → id. */
function toldTasks(call: Call): Map<string, string> | undefined {
  if (call.outcome.kind !== "told") return undefined;
  const answer = call.outcome.answer as { tasks?: unknown; result?: { tasks: unknown } };
  const tasks = (answer.tasks ?? answer.result?.tasks) as { id: string; key: string }[] | undefined;
  return new Map((tasks ?? []).map(({ id, key }) => [key, id]));
}

function ends(world: World, { run, of }: RunIds, found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  const cancelled = new Set(
    world.calls
      .filter((call) => call.run === of && call.act.kind === "cancel" && call.outcome.kind !== "refused")
      .map((call) => (call.act as { task: string }).task),
  );
  const planned = new Map<string, Planned>();
  for (const call of postsOf(world, of)) for (const task of plannedOf(call)) planned.set(task.key, task);
  for (const task of found.tasks) {
    const plan = task.parent === null && task.key !== null ? planned.get(task.key) : undefined;
    if (!isEnded(task.state)) {
      broken.push({
        ...{ sort: "stuck", rule: "every task ends", about: `${task.key} ${task.id}` },
        ...{ told: plan?.expected ?? null, found: { state: task.state, waiting_on: task.waiting_on } },
      });
      continue;
    }
    if (!plan) continue;
    if (task.state === "cancelled" && mayBeCancelled(world, of)) continue;
    // A failed or cancelled one takes those with it that depend on it.
    if (task.state === "cancelled" && cancelled.has(task.id)) continue;
    if (task.state === "skipped" && plan.expected.kind !== "skipped" && dependsOnEnded(task, found)) continue;
    if (poisoned(task, found) || asExpected(plan.expected, plan, task)) continue;
    // A copy's data may be of later than its log: a fence is then too old, or an item there already.
    if (run !== of && plan.expected.kind === "answers" && task.state === "succeeded") continue;
    broken.push({
      ...{ sort: "wrong", rule: "a task ends as it was to", about: `${task.key} ${task.id}`, told: plan.expected },
      ...{ found: { state: task.state, result: task.result, error: task.error } },
    });
  }
  return broken;
}

function asExpected(expected: Expected, plan: Planned, task: TaskView): boolean {
  switch (expected.kind) {
    case "result":
      return task.state === "succeeded" && task.result === expected.result;
    case "answers":
      return task.state === "succeeded" && allDone(answersIn(task.result), plan.ops?.length ?? 0);
    case "stamped":
      return task.state === "succeeded" && allDone(answersIn(task.result), plan.words?.length ?? 0);
    case "worked":
      return task.state === "succeeded" && fenceIn(task) !== undefined;
    case "cancelled":
      return task.state === "cancelled" && task.error?.code === expected.code;
    case "raced":
      return task.state === "cancelled"
        ? task.error?.code === "group_met"
        : task.state === "succeeded" && task.result === expected.result;
    case "failed":
      return task.state === "failed" && task.error?.code === expected.code;
    case "skipped":
      return task.state === "skipped";
  }
}

/** None of the ops that tasks are given can be refused. */
const allDone = (answers: ReturnType<typeof answersIn>, count: number): boolean =>
  answers?.length === count && !answers.some(isError);

const dependsOnEnded = (task: TaskView, found: FoundRun): boolean =>
  found.tasks.some(
    ({ id, state }) => task.after.includes(id) && (state === "failed" || state === "cancelled" || state === "skipped"),
  );

/** Three lost leases in a row are a reason to fail; they must be in the log. */
const poisoned = (task: TaskView, found: FoundRun): boolean =>
  task.state === "failed" &&
  task.error?.code === "poisoned" &&
  found.events.filter(({ type, task: id, why }) => type === "attempt_ended" && id === task.id && why === "lost")
    .length >= 3;

/** What a client was shown of an ended task stays so, in one generation; and generations do not go back. */
function shown(world: World, run: string, found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  const tasks = new Map(found.tasks.map((task) => [task.id, task]));
  const first = new Map<string, (typeof world.seen)[number]>();
  for (const seen of world.seen) {
    if (seen.run !== run) continue;
    const task = tasks.get(seen.task);
    const name = `${seen.task} generation ${seen.generation}`;
    if (!task || task.generation < seen.generation) {
      broken.push({
        ...{ sort: "lost", rule: "a task that was shown is there", about: name, told: seen },
        ...{ found: task?.generation ?? null },
      });
      continue;
    }
    const before = first.get(name) ?? seen;
    first.set(name, before);
    const now = task.generation === seen.generation ? task : seen;
    for (const other of [before, now])
      if (other.state !== seen.state || JSON.stringify(other.result) !== JSON.stringify(seen.result))
        broken.push({
          ...{ sort: "wrong", rule: "an end that was shown does not change", about: name },
          ...{ told: seen, found: { state: other.state, result: other.result } },
        });
  }
  return broken;
}

function retried(world: World, run: string, found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  const asked = new Map<string, Call[]>();
  for (const call of world.calls) {
    if (call.run !== run || call.act.kind !== "retry") continue;
    asked.set(call.act.task, [...(asked.get(call.act.task) ?? []), call]);
  }
  for (const [task, calls] of asked) {
    const sure = calls.filter(({ outcome }) => outcome.kind === "told").length;
    const most = sure + calls.filter(({ outcome }) => outcome.kind === "unknown").length;
    const times = found.events.filter(
      ({ type, task: id, why }) => type === "task_retried" && id === task && why === "asked",
    ).length;
    const about = { rule: "a retry begins one generation", about: task, told: { least: sure, most }, found: times };
    if (times < sure) broken.push({ sort: "lost", ...about });
    if (times > most) broken.push({ sort: "twice", ...about });
  }
  return broken;
}

/** A pull worker's report that was taken is the task's result, and no other one was taken. */
function reported(world: World, run: string, found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  const tasks = new Map(found.tasks.map((task) => [task.id, task]));
  const taken = new Map<string, Call>();
  for (const call of world.calls) {
    if (call.run !== run || call.act.kind !== "complete" || call.outcome.kind !== "told") continue;
    const { task: id, generation, result } = call.act;
    const name = `${id} generation ${generation}`;
    const other = taken.get(name);
    if (other)
      broken.push({ sort: "twice", rule: "one report is taken", about: name, told: call.act, found: other.act });
    taken.set(name, call);
    const task = tasks.get(id);
    if (!task || (task.generation === generation && task.state !== "succeeded"))
      broken.push({
        ...{ sort: "lost", rule: "a report that was taken ends its task", about: name, told: call.act },
        ...{ found: task?.state ?? null },
      });
    else if (task.generation === generation && JSON.stringify(task.result) !== JSON.stringify(result))
      broken.push({
        ...{ sort: "wrong", rule: "a report that was taken is the result", about: name, told: result },
        ...{ found: task.result },
      });
  }
  return broken;
}

/** A call of a task's own makes its children once. */
function made(world: World, of: string, found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  const planned = new Map(postsOf(world, of).flatMap((call) => plannedOf(call).map((plan) => [plan.key, plan])));
  for (const { id, key, parent, state } of found.tasks) {
    const told = parent === null && key !== null ? planned.get(key)?.children : undefined;
    if (told === undefined || state !== "succeeded") continue;
    const children = found.tasks.filter((task) => task.parent === id && task.stands_in_for === null);
    if (children.length !== told)
      broken.push({
        ...{
          sort: children.length > told ? "twice" : "lost",
          rule: "a call makes its children once",
          about: `${key} ${id}`,
        },
        ...{ told, found: children.map((task) => task.id) },
      });
  }
  return broken;
}
