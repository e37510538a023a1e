/** What calls were answered, as the log has it: for the model that reads it, and for a program that asks again. */

import type { ToolOutcome } from "../../contract/shapes.ts";
import { assert } from "../../errors/assert.ts";
import { toolErrorOf } from "../../errors/codes.ts";
import { faults } from "../../errors/faults.ts";
import type { ToolEnd } from "../../scheduler/remote-calls.ts";
import type { Task } from "../../scheduler/task.ts";
import type { WaitOutcome } from "../../scheduler/wait-outcome.ts";
import type { Answer } from "../seat-rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { outcomeWords } from "./outcome-words.ts";
import { toolAnswer } from "./remote-calls.ts";
import { awaitedView } from "./results.ts";
import type { ToolRun } from "./tool-calls.ts";

/** Recorded answers of the newest reply's calls. */
export function answersOf(run: LoadedRun, task: Task): Record<string, Answer> {
  // By entries, as ids are the provider's: of an assignment to "__proto__" nothing would be left.
  return Object.fromEntries(
    task.calls.map((call): [string, Answer] => {
      if (call.state === "waiting") return [call.id, { waiting: true }];
      const { text, isError } = answerOf(run, call.seq);
      return [call.id, { text, isError }];
    }),
  );
}

/** What the model reads. */
export function answerText(done: ToolRun): { text: string; isError: boolean } {
  if (done.kind === "error") return { text: JSON.stringify({ error: done.error }), isError: true };
  return { text: JSON.stringify(done.kind === "result" ? done.result : null), isError: false };
}

/** What a model reads, and what a program gets where that is not the same as JSON. */
export interface Recorded {
  readonly text: string;
  readonly isError: boolean;
  readonly outcome?: ToolOutcome;
}

/** The recorded answer of one call; undefined while it waits, and for one that was never made. */
export function answerTo(run: LoadedRun, task: Task, id: string): Recorded | undefined {
  const call = task.calls.find((one) => one.id === id);
  return call?.state === "done" ? answerOf(run, call.seq) : undefined;
}

/** Whether nothing is known of a call any more: a turn has come since, or of a session as many newer ones. */
export const isDropped = (task: Task, id: string): boolean => !task.calls.some((one) => one.id === id);

/** As `answerTo`, also of a call that was dropped since: for that it looks through the log, which is for what is rare. */
export function answerEver(run: LoadedRun, task: Task, id: string): Recorded | undefined {
  return isDropped(task, id) ? answerBefore(run, task, id) : answerTo(run, task, id);
}

/** The answer that a call had before it was dropped; undefined where it still waited. */
export function answerBefore(run: LoadedRun, task: Pick<Task, "n" | "createdSeq">, id: string): Recorded | undefined {
  let answered: number | undefined;
  for (const { seq, event } of run.store.log.about(new Set([task.n]), task.createdSeq)) {
    if (event.type === "call_waiting" && event.call === id) answered = undefined;
    if (event.type === "call_done" && event.call === id) answered = seq;
  }
  return answered === undefined ? undefined : answerOf(run, answered);
}

const timedOut = toolErrorOf(faults.wait_timed_out.tool, "The wait's timeout_ms passed before the tasks ended.");

/** What `await_tasks` tells when its time is over: that, and how each task is. */
export const awaitTimedOut = (run: LoadedRun, targets: readonly number[]) => ({
  ...timedOut,
  ...(awaitedView(run, targets) as object),
});

const deadlockVictim = toolErrorOf(
  faults.deadlock_victim.tool,
  "What was left of this wait came to wait for you, so it could never have ended.",
);

/** The answer that event `seq` (a `call_done`) records: as it was given, or what the awaited tasks came to. */
export function answerOf(run: LoadedRun, seq: number): Recorded {
  const event = run.store.log.event(seq);
  assert(event?.type === "call_done", "a done call names its end");
  const body = run.store.log.body(seq) as
    | { text: string; isError: boolean }
    | { targets: readonly number[] }
    | { wait: WaitOutcome }
    | { tool: ToolEnd }
    /** As logs from before the other kinds have it. */
    | { lock: WaitOutcome };
  if ("text" in body) return body;
  if ("tool" in body) return toolAnswer(run, seq, event.tool, body.tool);
  if ("wait" in body || "lock" in body) {
    return answerText(outcomeWords(run, "wait" in body ? body.wait : body.lock));
  }
  const view = awaitedView(run, body.targets);
  if (event.why === "settled" || event.why === "answered") return { text: JSON.stringify(view), isError: false };
  const error =
    event.why === "timed_out" ? awaitTimedOut(run, body.targets) : { ...deadlockVictim, ...(view as object) };
  return { text: JSON.stringify({ error }), isError: true };
}
