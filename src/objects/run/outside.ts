/** The agent outside: long polls for tasks and events, and tool calls without a lease. */

import { childHash } from "../../context/snapshot-hash.ts";
import type { ToolOutcome, WaitView } from "../../contract/shapes.ts";
import { parseToolArguments } from "../../contract/tools.ts";
import { isBlockingKind } from "../../contract/variable-tools.ts";
import { actorNumber, type SnapshotHash } from "../../ids.ts";
import { failedIdsMax, partialWatchMs } from "../../limits.ts";
import { isRunEnded } from "../../scheduler/state.ts";
import type { Step } from "../../scheduler/step.ts";
import type { Task } from "../../scheduler/task.ts";
import { waitIsOver } from "../../scheduler/waits.ts";
import { isRead as readsOnly } from "../../variables/index.ts";
import { looksOnly } from "../../variables/ops.ts";
import type { EventsAnswer, EventsInput, Idem, Reply, ToolCallInput, WaitInput } from "../rpc.ts";
import type { Actors } from "./actors.ts";
import { awaitTimedOut } from "./answers.ts";
import { numbersOf } from "./find-task.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { appendOutside, appendTo, baseOfCalls, nameOfCall } from "./outside-calls.ts";
import { enteringWith, NamedWait, newCallId, toldByNew } from "./outside-waits.ts";
import { partialsSince } from "./partials.ts";
import { ok, refuse, toolReply } from "./replies.ts";
import type { RunShell } from "./shell.ts";
import { firstViews } from "./task-list.ts";
import { callerAt, hasTool, noTool, runTool, sawFromOutside, type ToolRun } from "./tool-calls.ts";
import { isLater, type LaterRun, type VariableCalls } from "./variable-calls.ts";
import { taskView } from "./views.ts";

/** Answered on an ended run too: there, every task has ended, and who waits for one has not heard of it yet. */
function isRead({ tool, arguments: text }: ToolCallInput): boolean {
  if (tool === "inspect" || tool === "await_tasks") return true;
  const parsed = parseToolArguments(tool, text);
  if (!parsed.ok) return false;
  return "variable" in parsed.call
    ? readsOnly(parsed.call.variable)
    : "blocking" in parsed.call && looksOnly(parsed.call.blocking);
}

const runEnded = refuse({ code: "run_ended" });

/** A write of data, for who may have made it before the run ended, and not have heard. */
function writtenBefore(run: LoadedRun, { tool, arguments: text }: ToolCallInput): LaterRun | undefined {
  const parsed = parseToolArguments(tool, text);
  if (!parsed.ok || !("variable" in parsed.call)) return undefined;
  const { variable } = parsed.call;
  const isThere = run.store.variables.kindOf(variable.name) === variable.kind;
  return isThere ? { kind: "variable", call: variable, refusal: runEnded } : undefined;
}

/** What the call comes to in this step. A run that has ended is read, and no more; a write of data may be a repeat. */
function carryOut(step: Step, run: LoadedRun, input: ToolCallInput): Reply<ToolRun> {
  const messages = enteringWith(input);
  const after = input.snapshot ?? baseOfCalls(run, step.state.header.snapshot, messages);
  const ended = isRunEnded(step.state);
  // Messages that came with an earlier request of the call are there: to name them again is no write.
  const there = ended && messages.length > 0 ? childHash(after as SnapshotHash, messages) : after;
  if (ended && !(isRead(input) && (there === after || run.store.tree.find(there)))) {
    const written = writtenBefore(run, input);
    return written ? ok(written) : runEnded;
  }
  const appended = ended ? appendTo(run, there, []) : appendOutside(step, run, after, messages);
  if (!appended.ok) return appended;
  const caller = callerAt(run, appended.snapshot, { task: undefined, callId: input.callId }, input.tool);
  return caller.ok ? ok(runTool(step, run, caller.value, input.tool, input.arguments)) : caller;
}

/** A run that is paused keeps whoever waits waiting: they should know. */
function doneOr(done: boolean, { state: { header } }: LoadedRun): Pick<WaitView, "done" | "paused"> {
  return { done, ...(!done && header.status === "paused" && { paused: header.reason }) };
}

export class Outside {
  readonly #shell: RunShell;

  readonly #variables: VariableCalls;
  readonly #actors: Actors;

  constructor(shell: RunShell, variables: VariableCalls, actors: Actors) {
    this.#shell = shell;
    this.#variables = variables;
    this.#actors = actors;
  }

  async wait(input: WaitInput): Promise<Reply<WaitView>> {
    const run = this.#shell.load();
    if (!run) return refuse({ code: "not_found" });
    if (!input.tasks) {
      // Of a whole run `all` is told when it is at rest, as `settled` is: what has failed stands in the answer.
      const isOver = ({ state } = this.#shell.load() ?? run) =>
        state.liveCount() === 0 || (input.mode === "any" && state.header.counts.succeeded > 0);
      if (!isOver()) await this.#shell.signals.wait(input.timeoutMs, () => isOver());
      return this.#shell.read((now) =>
        ok({ ...doneOr(isOver(now), now), counts: { ...now.state.header.counts }, failed: this.#failed(now) }),
      );
    }
    const found = numbersOf(run, input.tasks);
    if (!found.ok) return found;
    const numbers = found.value;
    const named = new Set(numbers);
    const tasksOf = (now: LoadedRun) => numbers.map((n) => now.state.task(n));
    const isOver = () => {
      const now = this.#shell.load();
      return !now || waitIsOver(tasksOf(now), input.mode);
    };
    if (!isOver())
      await this.#shell.signals.wait(input.timeoutMs, (ended) => ended.some((n) => named.has(n)) && isOver());
    const viewsOf = (now: LoadedRun, tasks: readonly Task[]) =>
      input.paged ? firstViews(now, tasks) : tasks.map((task) => taskView(now, task));
    return this.#shell.read((now) => ok({ ...doneOr(isOver(), now), tasks: viewsOf(now, tasksOf(now)) }));
  }

  #failed(run: LoadedRun): string[] {
    const failed: string[] = [];
    if (run.state.header.counts.failed === 0) return failed;
    for (let n = 1; n <= run.state.header.taskCount && failed.length < failedIdsMax; n++) {
      if (run.state.peek(n)?.phase.state === "failed") failed.push(run.taskId(n));
    }
    return failed;
  }

  async events(input: EventsInput): Promise<Reply<EventsAnswer>> {
    const { partials, followers } = this.#shell;
    // A redacted run's replies are not shown as they are written either.
    const seen = this.#shell.load()?.redact ? undefined : input.partials;
    if (seen !== undefined) partials.watch(this.#shell.now() + input.waitMs + partialWatchMs);
    const fresh = () =>
      (this.#shell.load()?.state.header.seq ?? 0) > input.after || (seen !== undefined && partials.hasNews(seen));
    const ended = () => {
      const run = this.#shell.load();
      return !run || isRunEnded(run.state);
    };
    const isBehind = () => (this.#shell.load()?.state.header.seq ?? 0) - input.after >= input.limit;
    if (!ended() && !isBehind() && input.waitMs > 0) await followers.wait(input.waitMs, fresh);
    return this.#shell.read((run) => {
      const events = followers.page(run, input.after, input.limit);
      const last = events.at(-1)?.seq ?? input.after;
      const isAll = last >= run.state.header.seq;
      return ok({
        events,
        done: ended() && isAll,
        ...(seen !== undefined && { partials: isAll ? partialsSince(partials, run, seen) : { upTo: seen, texts: [] } }),
      });
    });
  }

  async callTool(input: ToolCallInput, idem?: Idem): Promise<Reply<ToolOutcome>> {
    const run = this.#shell.load();
    if (run && !hasTool(run, input.tool)) return noTool(run, input.tool);
    if (run) run.state.outsideAt = this.#shell.now();
    const isBlocking = isBlockingKind(input.tool) && !isRead(input);
    if (input.actor !== undefined) {
      const actor = this.#actors.one(input.actor);
      const waits = isBlocking || run?.tools.has(input.tool);
      // What a session held is not its any more when it is over: who is told a token again would believe to have it.
      const mayBeOver = input.tool !== "lock" && input.tool !== "semaphore";
      if (waits && (actor.ok || mayBeOver)) return this.#actors.callTool(input.actor, input, idem);
      if (!actor.ok) return actor;
    }
    const call = this.#outsideCall(input);
    const isWrite = input.tool === "create_task" || input.tool === "cancel_task" || isBlocking;
    let called: { readonly run: LoadedRun; readonly done: ToolRun } | undefined;
    const reply = this.#shell.command<ToolOutcome>(
      (step, run) => {
        const done = carryOut(step, run, input);
        if (!done.ok) return done;
        called = { run, done: done.value };
        return toolReply(done.value, input.callId ?? "");
      },
      ...(isWrite ? [idem, call] : []),
    );
    if (!reply.ok) return reply;
    const done = called?.done;
    if (called && done && isLater(done)) {
      const names = [idem, call].filter((name) => name !== undefined);
      const session = input.actor === undefined ? undefined : actorNumber(called.run.id, input.actor);
      const by = session === undefined ? "outside" : { session: -session };
      const finished = await this.#variables.finish(called.run, done, { id: { names }, by });
      return finished.ok ? toolReply(finished.value, input.callId ?? "") : finished;
    }
    if (input.tool !== "await_tasks") return reply;
    // Clients give each of several polls of one call a key of its own.
    const name = input.callId === undefined ? idem : call;
    if (done?.kind === "waiting") return this.#awaitTasks(input, done, name);
    if (run && name) new NamedWait(run.store, name).ended();
    return reply;
  }

  /** A wait of the agent outside: each poll looks anew, and only when it began is kept. */
  async #awaitTasks(
    input: ToolCallInput,
    { targets, mode, timeoutMs }: Extract<ToolRun, { kind: "waiting" }>,
    name: Idem | undefined,
  ): Promise<Reply<ToolOutcome>> {
    const begun = this.#begun(input, timeoutMs, name);
    // An id of ours where none was given: the caller needs one to ask again with.
    const callId = input.callId ?? newCallId(begun.at, input);
    const isOver = () => {
      const run = this.#shell.load();
      return (
        !run ||
        waitIsOver(
          targets.map((n) => run.state.task(n)),
          mode,
        )
      );
    };
    const leftMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : begun.at + timeoutMs - this.#shell.now();
    const waitMs = Math.min(input.waitMs, leftMs);
    if (waitMs > 0 && !isOver()) await this.#shell.signals.wait(waitMs, (list) => list.length > 0 && isOver());
    if (!isOver() && waitMs < leftMs) return ok({ pending: true, call_id: callId });
    return this.#shell.command((step, run) => {
      const caller = { task: undefined, callId: "", base: "", inTranscript: false };
      const done = runTool(step, run, caller, input.tool, input.arguments);
      // The object may have another store by now.
      const wait = begun.name && new NamedWait(run.store, begun.name);
      if (done.kind !== "waiting") {
        wait?.ended();
        return toolReply(done, "");
      }
      wait?.gaveUp(step.now);
      sawFromOutside(step, targets);
      return ok({ error: awaitTimedOut(run, targets) });
    });
  }

  /** Since when it waits, and the name that this is kept by; a call that needs none has no row. */
  #begun(input: ToolCallInput, timeoutMs = 0, name: Idem | undefined): { at: number; name?: Idem } {
    const now = this.#shell.now();
    const known = toldByNew(input);
    if (known) return { at: Math.min(known.at, now) };
    const run = this.#shell.load();
    if (!run || !name || timeoutMs === 0) return { at: now };
    return { at: new NamedWait(run.store, name).begunAt(now), name };
  }

  /**
   * The same call of the same reply gets the first answer, as a repeated Idempotency-Key does. Providers reuse call ids, so
   * they are a snapshot's; a session names its own calls, wherever the head has gone in between.
   */
  #outsideCall(input: ToolCallInput): Idem | undefined {
    const run = this.#shell.load();
    if (!run || input.callId === undefined) return undefined;
    const messages = enteringWith(input);
    const after = input.snapshot ?? baseOfCalls(run, run.state.header.snapshot, messages);
    const isSessions = input.actor !== undefined && input.snapshot === undefined && messages.length === 0;
    const base = isSessions ? input.actor : messages.length > 0 ? childHash(after as SnapshotHash, messages) : after;
    return nameOfCall(input, base, input.callId);
  }
}
