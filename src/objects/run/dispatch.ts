/** What a worker gets with a lease: the fork's messages and the rest of the context, built when the task starts. */

import { userMessage } from "../../context/calls.ts";
import { forkByCall, forkByMessage, forkText } from "../../context/fork.ts";
import { withoutReasoning } from "../../context/reasoning.ts";
import type { CacheMark, MessageText } from "../../context/types.ts";
import type { LeaseGrant } from "../../contract/shapes.ts";
import { assert } from "../../errors/assert.ts";
import { needsReservation, tokensLeft } from "../../scheduler/budget.ts";
import { isEnded, type Running, type Task } from "../../scheduler/task.ts";
import { isWarming } from "../../scheduler/warming.ts";
import { contextText } from "../../storage/run/context-tree.ts";
import type { NextTask, SeatWork } from "../seat-rpc.ts";
import { answersOf } from "./answers.ts";
import { createdEventOf, type SpecBody, specOf } from "./bodies.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { foreignParts } from "./relocation.ts";
import { dependenciesGiven, dispatchTexts, type Tasks } from "./results.ts";
import { inboxTexts } from "./task-messages.ts";
import { taskView } from "./views.ts";

/** A task whose lease is open. */
export type LeasedTask = Task & { phase: Running };

export type ForkOutcome =
  | {
      readonly ok: true;
      readonly messages: readonly MessageText[];
      readonly instructions: string;
    }
  | { readonly ok: false; readonly missing: string };

/** The messages by which a task's context goes on from its base. The same for every attempt of a generation. */
export function forkOf(run: LoadedRun, task: Task, spec: SpecBody, taskOf?: Tasks): ForkOutcome {
  const texts = dispatchTexts(run, task, spec, taskOf);
  if (!texts.ok) return texts;
  const { tree } = run.store;
  const { format } = tree.head(task.base);
  const { call } = createdEventOf(run, task);
  const contextMessages = typeof texts.context === "string" ? undefined : texts.context;
  const text = forkText({
    taskId: run.taskId(task.n),
    viaCall: call !== undefined,
    results: texts.results,
    ...(typeof texts.context === "string" && { context: texts.context }),
    instructions: texts.instructions,
    ...(spec.output_schema && { schema: JSON.stringify(spec.output_schema) }),
  });
  const last = tree.last(task.base);
  if (call === undefined) {
    const { messages } = forkByMessage(format, text, contextMessages);
    return { ok: true, messages, instructions: texts.instructions };
  }
  assert(last, "a fork by call has the reply in its base");
  // Context messages can't stand between a reply and its results: then the call is answered first and all else follows.
  const own = contextMessages
    ? `you are task ${run.taskId(task.n)}, forked; your context and instructions follow.`
    : text;
  const { messages } = forkByCall(format, last, call, own);
  const rest = contextMessages ? [...contextMessages, userMessage(format, text)] : [];
  return { ok: true, messages: [...messages, ...rest], instructions: texts.instructions };
}

/** How many messages its fork has, whatever their texts are. */
export function forkCountOf(run: LoadedRun, task: Task, { context }: SpecBody): number {
  const { call } = createdEventOf(run, task);
  const more = typeof context === "object" ? context.messages.length + 1 : 0;
  return call === undefined ? Math.max(more, 1) : answersOfFork(run, task, call).messages.length + more;
}

/** Where the fork's cache mark stands; as `forkOf` has it, whatever the texts are. */
function markOf(run: LoadedRun, task: Task): CacheMark | undefined {
  const { call } = createdEventOf(run, task);
  const { mark } =
    call === undefined ? forkByMessage(run.store.tree.head(task.base).format, "") : answersOfFork(run, task, call);
  return absolute(mark, run.store.tree.node(task.base).messages);
}

const answersOfFork = ({ store: { tree } }: LoadedRun, { base }: Task, call: string) =>
  forkByCall(tree.head(base).format, tree.last(base)!, call, "");

const absolute = (mark: CacheMark, base: number): CacheMark | undefined =>
  base + mark.message < 0 ? undefined : { message: base + mark.message, block: mark.block };

/** The task's newest stored snapshot; the fork itself is stored first when nothing has followed it yet. */
export function newestSnapshot(run: LoadedRun, task: Task): string {
  if (task.head !== undefined) return task.head;
  const fork = forkOf(run, task, specOf(run, task), dependenciesGiven(run, task));
  return fork.ok ? run.store.tree.append(task.base, fork.messages) : task.base;
}

/** The whole transcript, stored or not. */
export function transcriptOf(
  run: LoadedRun,
  task: Task,
  taskOf?: Tasks,
): { snapshot: string; messages: readonly MessageText[] } {
  const { tree } = run.store;
  if (task.head !== undefined) return { snapshot: task.head, messages: tree.messages(task.head) ?? [] };
  const base = tree.messages(task.base) ?? [];
  const waits = task.phase.state === "waiting" && task.phase.pending > 0;
  const fork = waits ? undefined : forkOf(run, task, specOf(run, task), taskOf);
  return { snapshot: task.base, messages: fork?.ok ? [...base, ...fork.messages] : base };
}

/** Of the messages that a task is given, those that stand before its own fork. */
const baseCountOf = (run: LoadedRun, task: Task): number => task.window?.own ?? run.store.tree.node(task.base).messages;

/** JSON text of a task's context as its model has it: under the task's own model, and a relocated fork's without reasoning. */
export function ownContext(run: LoadedRun, task: Task, taskOf?: Tasks): { snapshot: string; text: string } {
  const { model } = specOf(run, task);
  const { snapshot, messages } = transcriptOf(run, task, taskOf);
  const head = run.store.tree.head(snapshot);
  const given = withoutReasoning(head.format, messages, foreignParts(run, task));
  return { snapshot, text: contextText({ ...head, ...(model !== undefined && { model }) }, given) };
}

/**
 * The same for who reads it by its name, as a snapshot. A relocated fork's is one of its own: on a root with the task's model, since a head
 * names its model, and in two parts, so that what siblings forked is stored once.
 */
function ownSnapshot(run: LoadedRun, task: Task): string {
  const newest = newestSnapshot(run, task);
  const foreign = foreignParts(run, task);
  if (foreign.length === 0) return newest;
  const { tree } = run.store;
  const head = tree.head(newest);
  const { model } = specOf(run, task);
  const given = withoutReasoning(head.format, tree.messages(newest) ?? [], foreign);
  const count = baseCountOf(run, task);
  const root = tree.putHead({ ...head, ...(model !== undefined && { model }) });
  return tree.append(tree.append(root, given.slice(0, count)), given.slice(count));
}

export type Dispatch<Work> =
  | { readonly ok: true; readonly work: Work }
  | { readonly ok: false; readonly missing: string };

/** Work for a hosted seat; sends only the snapshots that the seat lacks. */
export function seatWork(run: LoadedRun, task: LeasedTask, next: NextTask, watched: boolean): Dispatch<SeatWork> {
  const spec = specOf(run, task);
  // One that has begun goes on with what it was given, whatever has become of its dependencies since (R4).
  const fork = task.head === undefined ? forkOf(run, task, spec) : undefined;
  if (fork?.ok === false) return fork;
  const { tree } = run.store;
  const snapshot = task.head ?? task.base;
  const have = new Set(next.have);
  const { from, steps } = tree.path(snapshot, (hash) => have.has(hash));
  const head = tree.head(snapshot);
  const foreign = foreignParts(run, task);
  return {
    ok: true,
    work: {
      taskNumber: task.n,
      fence: task.phase.fence,
      taskId: run.taskId(task.n),
      expiresAt: task.phase.expiresAt,
      generation: task.generation,
      attempt: task.attempts,
      head,
      from,
      steps,
      snapshot,
      fork: fork?.messages ?? [],
      messages: inboxTexts(run, task),
      // A compacted context begins another lineage of the vendor's cache: there is nothing up to the fork to mark.
      mark: task.window ? undefined : markOf(run, task),
      baseCount: baseCountOf(run, task),
      turns: task.turns,
      answers: answersOf(run, task),
      maxTurns: task.maxTurns,
      model: spec.model,
      ...(run.state.header.credential && { credential: run.state.header.credential }),
      outputSchema: spec.output_schema && JSON.stringify(spec.output_schema),
      watched,
      reserves: needsReservation(run.state, task),
      lineage: `${run.suffix}:${tree.node(snapshot).root.slice(0, 16)}`,
      warms: isWarming(run.state, task),
      ...(foreign.length > 0 && { foreign }),
      remoteTools: [...run.tools.keys()],
    },
  };
}

/**
 * A lease for a pull worker; its context is left out when it does not fit `contextBytes`. `isRepeat`: as it was granted, though a
 * dependency has come to something else since (R4); not while that is at work again.
 */
export function leaseGrant(
  run: LoadedRun,
  task: LeasedTask,
  contextBytes: number,
  { isRepeat }: { readonly isRepeat: boolean },
): Dispatch<LeaseGrant & { bytes: number }> {
  const spec = specOf(run, task);
  const areOver = task.after.every((n) => isEnded(run.state.task(n)));
  const taskOf = isRepeat && areOver ? dependenciesGiven(run, task) : undefined;
  const fork = forkOf(run, task, spec, taskOf);
  if (!fork.ok && task.head === undefined) return fork;
  const { tree } = run.store;
  // What the fork appends is as much as results and references make it.
  const appended = fork.ok && task.head === undefined ? fork.messages.reduce((sum, text) => sum + text.length, 0) : 0;
  const size = tree.node(task.head ?? task.base).bytes + appended;
  const fits = size < contextBytes;
  const snapshot = fits ? (task.head ?? task.base) : ownSnapshot(run, task);
  const text = fits ? ownContext(run, task, taskOf).text : null;
  const left = tokensLeft(run.state, task);
  const instructions = fork.ok ? fork.instructions : spec.instructions;
  return {
    ok: true,
    work: {
      run: run.id,
      taskNumber: task.n,
      fence: task.phase.fence,
      expires_at: task.phase.expiresAt,
      // Its context has them with the results that it was given.
      task: {
        ...taskView(run, task),
        instructions,
        attempt: task.attempts,
        ...(spec.output_schema && { output_schema: spec.output_schema }),
      },
      contextText: text,
      messages: inboxTexts(run, task).slice(0, task.given),
      snapshot,
      ...(left !== undefined && { tokensLeft: left }),
      bytes: (text?.length ?? 0) + instructions.length,
    },
  };
}
