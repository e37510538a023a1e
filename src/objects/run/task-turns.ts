/** A task's turns: the list of them, where a retry in the middle goes on, and contexts that another run may begin with. */

import { isPaused, roleOf, textSaid, toolCalls } from "../../context/calls.ts";
import { stringAt } from "../../context/json-text.ts";
import { type Part, withoutReasoning } from "../../context/reasoning.ts";
import type { MessageText, ToolCall } from "../../context/types.ts";
import type { Page, TurnView } from "../../contract/shapes.ts";
import { pageBytesMax } from "../../limits.ts";
import { usdOf } from "../../prices/price.ts";
import type { RetryFrom } from "../../scheduler/retry.ts";
import { hostedPool, type Task } from "../../scheduler/task.ts";
import { type LoggedTurn, TaskTurns, type TurnPoint } from "../../scheduler/turns.ts";
import type { ForkedContext, ForkPlace, Reply } from "../rpc.ts";
import { specOf } from "./bodies.ts";
import { findTask } from "./find-task.ts";
import { openCallsOf } from "./forks.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { partsOfOthers } from "./relocation.ts";
import { badCursor, ok, placeOf, type Refused, refuse } from "./replies.ts";

/** The turns of these tasks, by one look through the log. */
function turnsOf({ store }: LoadedRun, tasks: readonly Task[]): Map<number, TaskTurns> {
  const told = new Map(tasks.map(({ n }) => [n, new TaskTurns()]));
  const first = tasks.reduce((least, { createdSeq }) => Math.min(least, createdSeq), Number.POSITIVE_INFINITY);
  for (const { seq, at, event } of store.log.about(new Set(told.keys()), first))
    if ("task" in event && event.task !== undefined) told.get(event.task)?.add(event, seq, at);
  return told;
}

const turnsOfOne = (run: LoadedRun, task: Task): TaskTurns => turnsOf(run, [task]).get(task.n)!;

/** The turns of the task's present generation, oldest first. */
export function turnsPage(
  run: LoadedRun,
  task: Task,
  { limit, cursor }: { limit: number; cursor?: string },
): Reply<Page<TurnView>> {
  const after = placeOf(cursor);
  if (after === undefined) return badCursor;
  const { turns } = turnsOfOne(run, task);
  const { tree } = run.store;
  const rows: TurnView[] = [];
  let bytes = 0;
  for (const one of turns.slice(after)) {
    if (rows.length === limit || bytes > pageBytesMax) break;
    const messages = tree.own(one.snapshot);
    bytes += messages.reduce((sum, message) => sum + message.length, 0);
    const { format } = tree.head(one.snapshot);
    rows.push(
      turnView(
        one,
        messages.flatMap((message) => toolCalls(format, message).map(({ id, name }) => ({ id, name }))),
      ),
    );
  }
  const place = after + rows.length;
  return ok({ rows, nextCursor: place < turns.length ? String(place) : null });
}

const turnView = (
  { turn, generation, seq, at, snapshot, usage, modelMs }: LoggedTurn,
  calls: TurnView["calls"],
): TurnView => ({
  turn,
  generation,
  seq,
  at,
  snapshot,
  usage: {
    input_tokens: usage.in,
    output_tokens: usage.out,
    cache_read_tokens: usage.read,
    cache_write_tokens: usage.write,
    cost_usd: usage.nanos === undefined ? null : usdOf(usage.nanos),
    simulated: usage.simulated === true,
  },
  model: usage.model ?? null,
  model_ms: modelMs ?? null,
  calls,
});

const unknownTurn = (turns: number, path: string): Refused => {
  const message = turns === 0 ? "it has none" : `it has the turns 1 to ${turns}`;
  return refuse({ code: "unknown_turn", detail: `${path}: ${message}`, errors: [{ path, message }] });
};

/** Where a retry of the task after `turn` goes on, and its children with it; 0: from the start. */
export function retryFrom(run: LoadedRun, task: Task, turn: number): Reply<RetryFrom> {
  const pointsOf = (tasks: readonly Task[]) => childPoints(run, tasks);
  if (turn === 0) return ok({ point: undefined, pointsOf });
  const told = turnsOfOne(run, task);
  const point = pointAfter(run, told, turn);
  if (!point) return unknownTurn(told.turns.length, "from_turn");
  if (turn === told.turns.length && isFinal(run, task, point.snapshot)) return refuse({ code: "final_turn" });
  return ok({ point, pointsOf });
}

/** Children go on after their last turns; one that had said its last word says it again. */
function childPoints(run: LoadedRun, tasks: readonly Task[]): Map<number, TurnPoint> {
  const points = new Map<number, TurnPoint>();
  for (const [n, told] of turnsOf(run, tasks)) {
    const { length } = told.turns;
    const last = pointAfter(run, told, length);
    const point = last && isFinal(run, run.state.task(n), last.snapshot) ? pointAfter(run, told, length - 1) : last;
    if (point) points.set(n, point);
  }
  return points;
}

function pointAfter(run: LoadedRun, told: TaskTurns, turn: number): TurnPoint | undefined {
  const point = told.pointAfter(turn, run.state.header.seq + 1, (next) => {
    const { parent, shown } = requestOf(run, next);
    return run.store.tree.append(parent, shown);
  });
  if (!point?.calls) return point;
  const again = takenAgain(openCallsOf(run.store.tree, point.snapshot));
  return { ...point, calls: point.calls.filter(({ id }) => !again.has(id)) };
}

/**
 * Calls whose answers would be no longer true: what they took was let go when the task ended, so they take it again. With
 * them those that release: else what is taken anew would stay.
 */
function takenAgain(calls: readonly ToolCall[]): ReadonlySet<string> {
  const holding = calls.filter(({ name }) => name === "lock" || name === "semaphore");
  const takes = holding.some((call) => /acquire$/.test(stringAt(call.arguments, ["op"]) ?? ""));
  return new Set(takes ? holding.map(({ id }) => id) : []);
}

/** What the request of a turn showed: all that its messages have before the reply. */
function requestOf(
  { store: { tree } }: LoadedRun,
  { snapshot }: LoggedTurn,
): { parent: string; shown: readonly MessageText[] } {
  const own = tree.own(snapshot);
  const reply = own.findIndex((message) => roleOf(message) === "assistant");
  return { parent: tree.node(snapshot).parent!, shown: own.slice(0, Math.max(reply, 0)) };
}

/** Whether a hosted task's transcript ends in its last word: there is nothing to ask a model after it. */
function isFinal(run: LoadedRun, task: Task, snapshot: string): boolean {
  const { tree } = run.store;
  const last = tree.last(snapshot);
  if (task.pool !== hostedPool || last === undefined || roleOf(last) !== "assistant") return false;
  const { format } = tree.head(snapshot);
  if (isPaused(format, last)) return false;
  const open = openCallsOf(tree, snapshot);
  if (open.length > 0) return open.some(({ name }) => name === "finish");
  // One that does not match the schema is answered with what is wrong with it, and so is one that says nothing.
  if (task.phase.state === "succeeded") return true;
  return specOf(run, task).output_schema === undefined && textSaid(format, [last]) !== "";
}

/** The context of a place in the run: its head, a snapshot, a task's newest, or what a task's turn left. Writes nothing. */
export function contextAt(run: LoadedRun, { snapshot, task: id, turn }: ForkPlace): Reply<ForkedContext> {
  const { tree } = run.store;
  const give = (at: string, others: readonly Part[] = [], more: readonly MessageText[] = []): Reply<ForkedContext> => {
    const head = tree.head(at);
    const steps = tree.path(at).steps.map(({ messages }) => messages);
    if (more.length > 0) steps.push(more);
    const whole = steps.flat();
    const given = withoutReasoning(head.format, whole, others);
    const isRelocated = given.some((message, i) => message !== whole[i]);
    const credential = run.state.header.credential?.name;
    return ok({
      head,
      steps: isRelocated ? [given] : steps,
      tools: [...run.tools.values()],
      ...(credential && { credential }),
      ...(isRelocated && { relocated: true }),
      redact: run.redact,
    });
  };
  if (snapshot !== undefined) {
    if (tree.find(snapshot)) return give(snapshot);
    return refuse({ code: "unknown_snapshot", errors: [{ path: "from.snapshot", message: "unknown" }] });
  }
  if (id === undefined) return give(run.state.header.snapshot);
  const task = findTask(run, id);
  if (!task) return refuse({ code: "unknown_task", errors: [{ path: "from.task", message: "unknown" }] });
  const others = partsOfOthers(run, task);
  if (turn === undefined) return give(task.head ?? task.base, others);
  const told = turnsOfOne(run, task);
  const next = told.turns[turn];
  if (next) {
    const { parent, shown } = requestOf(run, next);
    return give(parent, others, shown);
  }
  const last = told.turns.length;
  return turn === last ? give(told.head!, others) : unknownTurn(last, "from.turn");
}
