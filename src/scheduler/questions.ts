/**
 * Questions: what somebody outside the run is waited for, as a fold of its state, and what an answer does.
 *
 * Owns: which waits are questions, what can be answered to each, and that an answer counts once.
 * Does not own: words (objects/run/questions.ts), nor how long a stall lasts (deadlock.ts).
 *
 * QU1. A wait of a task that is declared external is a question: of futures as long as it lasts, of a queue while it is the first in
 *      line, since the next message goes to that one and to nobody else.
 * QU2. A stall that was told of, and has no victim yet, is a question too: its waits are those that keep it.
 * QU3. An answer names a wait by the event that began it, and is for that one alone. When that has ended, or is not asked about any
 *      more, the answer is late: it is refused and changes nothing. So of several that say the same, one counts. Of several futures
 *      this holds for each.
 * QU4. Whoever declines rejects the futures that are asked for; a queue has nothing to reject: that one wait ends as declined, and
 *      the queue is as it was.
 * QU5. More time for a stall counts from the moment at which it was asked for, and is logged: a run's object that is loaded anew
 *      knows it.
 */

import type { WaitAction } from "../contract/question-shapes.ts";
import { settleBudget } from "./budget.ts";
import { closeCall, wake } from "./calls.ts";
import { stallEndAt, stalledWaits } from "./deadlock.ts";
import { cancelTask } from "./end-task.ts";
import { settle } from "./ending.ts";
import { settleFuture } from "./futures.ts";
import { canSomebodyGoOn, endsOf, waitsAhead } from "./liveness.ts";
import { push } from "./message-queues.ts";
import { isRunEnded, type RunState } from "./state.ts";
import type { Step } from "./step.ts";
import type { Task, WaitingCall } from "./task.ts";
import type { Refusal as Refused } from "./wait-outcome.ts";

/** A wait that somebody outside can end, or whose task he can. */
export interface AskedWait {
  readonly task: Task;
  readonly call: WaitingCall;
  /** What can be given: futures that nobody has settled, or the queue. */
  readonly names: readonly string[];
  readonly offers: readonly WaitAction[];
}

export interface Stall {
  /** The finding that told of it. */
  readonly seq: number;
  readonly since: number;
  /** When the wait of one of them is ended. */
  readonly until: number;
  /** The oldest first. */
  readonly waits: readonly AskedWait[];
}

const all: readonly WaitAction[] = ["answer", "decline", "cancel"];

/** QU1. The oldest first. */
export const openAsks = (state: RunState): AskedWait[] =>
  [...state.blocking.asked.keys()].sort((a, b) => a - b).flatMap((seq) => openAsk(state, seq) ?? []);

/** The question that this event began, while it is one. */
export function openAsk(state: RunState, seq: number): AskedWait | undefined {
  const task = state.blocking.asked.get(seq);
  const wait = task === undefined ? undefined : askedWait(state, task, seq);
  return wait?.offers.includes("answer") ? wait : undefined;
}

/** Whether there is an `openStall`, at a constant cost: whatever looks at a run asks. */
export const isStalled = (state: RunState): boolean =>
  Boolean(state.header.stalledAt && state.header.stallSeq) && !isRunEnded(state) && !canSomebodyGoOn(state);

/** QU2. Linear in the live tasks, where there is one. */
export function openStall(state: RunState): Stall | undefined {
  const { stalledAt, stallSeq } = state.header;
  const until = stallEndAt(state);
  if (!stalledAt || !stallSeq || until === undefined || !isStalled(state)) return undefined;
  const waits = stalledWaits(state).flatMap(({ task, call }) => {
    const asked = task.n > 0 && askedWait(state, task.n, call.seq);
    return asked ? [asked] : [];
  });
  if (waits.length === 0) return undefined;
  return { seq: stallSeq, since: stalledAt, until, waits: waits.sort((a, b) => a.call.seq - b.call.seq) };
}

function askedWait(state: RunState, n: number, seq: number): AskedWait | undefined {
  const task = state.live(n);
  const call = task?.calls.find((one): one is WaitingCall => one.state === "waiting" && one.seq === seq);
  if (!task || !call) return undefined;
  const { want } = call;
  if (want?.kind === "future") {
    const names = want.names.filter((name) => !state.blocking.facts.has(name));
    return { task, call, names, offers: all };
  }
  if (want?.kind === "pop") {
    const isFirst = state.blocking.line(want.names[0], "message_queue").first?.seq === seq;
    return { task, call, names: isFirst ? want.names : [], offers: isFirst ? all : ["decline", "cancel"] };
  }
  return { task, call, names: [], offers: ["cancel"] };
}

/**
 * Tasks that these wait for, directly or not, and they themselves; undefined: for anybody, so for every one of the run. Linear in
 * the waits that are reached.
 */
export function waitedFor(state: RunState, from: readonly number[]): ReadonlySet<number> | undefined {
  const tasks = new Set(from);
  for (const { anyone, of } of waitsAhead(state, endsOf(from), { still: true })) {
    if (anyone) return undefined;
    for (const { task } of of) tasks.add(task);
  }
  for (const n of tasks) if (!state.live(n)) tasks.delete(n);
  return tasks;
}

export type Answer =
  /** `bytes` of the value as JSON. `name`: of several futures, which one. */
  | { readonly action: "answer"; readonly value: unknown; readonly bytes: number; readonly name?: string }
  | { readonly action: "decline"; readonly name?: string; readonly reason?: string }
  | { readonly action: "cancel"; readonly reason?: string }
  | { readonly action: "extend" };

export type Answered =
  | { readonly kind: "done" }
  /** QU3 */
  | { readonly kind: "late" }
  /** This question takes others. */
  | { readonly kind: "not_offered"; readonly offers: readonly string[] }
  /** It has to be said which, or that one is not asked for. */
  | { readonly kind: "unnamed"; readonly names: readonly string[] }
  | Refused;

/** Carries out an answer to the question that event `seq` began, or to one wait of a stall. */
export function answerQuestion(step: Step, seq: number, answer: Answer): Answered {
  const { state } = step;
  const stall = openStall(state);
  if (stall?.seq === seq) {
    if (answer.action !== "extend") return { kind: "not_offered", offers: ["extend"] };
    step.emit({ type: "stall_extended" }, undefined, [seq]);
    return { kind: "done" };
  }
  const wait = openAsk(state, seq) ?? stall?.waits.find(({ call }) => call.seq === seq);
  if (!wait) return { kind: "late" };
  if (answer.action === "extend" || !wait.offers.includes(answer.action))
    return { kind: "not_offered", offers: wait.offers };
  if (answer.action === "cancel") {
    cancelTask(step, wait.task, answer.reason ?? "Cancelled from outside, in answer to what it waited for.");
    settle(step);
    settleBudget(step);
    return { kind: "done" };
  }
  return wait.call.want?.kind === "future" ? toFutures(step, wait, answer) : toQueue(step, wait, answer);
}

type Given = Extract<Answer, { action: "answer" | "decline" }>;

function toFutures(step: Step, { call, names }: AskedWait, answer: Given): Answered {
  const causes = [call.seq];
  if (answer.name !== undefined && !names.includes(answer.name))
    // Somebody else has settled it since it was asked for (QU3).
    return call.want!.names.includes(answer.name) ? { kind: "late" } : { kind: "unnamed", names };
  if (answer.action === "decline") {
    const value = { code: "declined", message: answer.reason ?? "Whoever was asked has declined." };
    for (const name of answer.name === undefined ? names : [answer.name])
      settleFuture(step, name, { task: undefined, state: "rejected", value, causes });
    return { kind: "done" };
  }
  const name = answer.name ?? (names.length === 1 ? names[0] : undefined);
  if (name === undefined) return { kind: "unnamed", names };
  settleFuture(step, name, { task: undefined, state: "resolved", value: answer.value, causes });
  return { kind: "done" };
}

function toQueue(step: Step, { task, call, names }: AskedWait, answer: Given): Answered {
  const name = call.want!.names[0]!;
  if (answer.name !== undefined && answer.name !== name) return { kind: "unnamed", names };
  if (answer.action === "decline") {
    const { reason } = answer;
    const outcome = { kind: "declined", names: [name], ...(reason !== undefined && { reason }) } as const;
    wake(step, task, closeCall(step, task, call.id, "answered", outcome));
    return { kind: "done" };
  }
  const message = { messages: [answer.value], sizes: [answer.bytes] };
  const pushed = push(step, { task: undefined, call: "", until: 0 }, name, message, [call.seq]);
  return pushed?.kind === "pushed" ? { kind: "done" } : (pushed as Refused);
}
