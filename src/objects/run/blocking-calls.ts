/** The tools of the variables that block, carried out in the run's step. */

import { arrive } from "../../scheduler/barriers.ts";
import { awaitFutures, settleFuture } from "../../scheduler/futures.ts";
import { acquire, releaseLock, tryAcquire } from "../../scheduler/locks.ts";
import { closeQueue, createQueue, pop, push, queueOf, queueSize } from "../../scheduler/message-queues.ts";
import { acquirePermits, createSemaphore, releasePermits } from "../../scheduler/semaphores.ts";
import type { Step } from "../../scheduler/step.ts";
import type { Task } from "../../scheduler/task.ts";
import type { Begun, Refusal } from "../../scheduler/wait-outcome.ts";
import type { BlockingCall, BlockingCallOf } from "../../variables/ops.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { futureView, holdersOf, outcomeWords, refusalWords, type Words } from "./outcome-words.ts";

export interface BlockingCaller {
  /** Undefined: from outside, without a session. */
  readonly task: Task | undefined;
  readonly call: string;
  /** The tasks that a barrier's `members` name. */
  readonly members: readonly number[];
}

/** An answer; or that of an event in the log; or that the call waits; or that it would have to, and nobody would let go. */
export type Blocked = Words | { readonly seq: number } | "waiting" | "needs_actor";

export function useBlocking(step: Step, run: LoadedRun, caller: BlockingCaller, call: BlockingCall): Blocked {
  switch (call.kind) {
    case "lock":
      return useLock(step, run, caller, call);
    case "semaphore":
      return useSemaphore(step, run, caller, call);
    case "barrier":
      return useBarrier(step, run, caller, call);
    case "message_queue":
      return useQueue(step, run, caller, call);
    default:
      return useFuture(step, run, caller, call);
  }
}

const result = (value: object): Words => ({ kind: "result", result: value });
const untilOf = (step: Step, op: { readonly timeout_ms?: number }): number =>
  op.timeout_ms === undefined ? 0 : step.now + op.timeout_ms;

function useLock(
  step: Step,
  run: LoadedRun,
  { task, call: id }: BlockingCaller,
  call: BlockingCallOf<"lock">,
): Blocked {
  if (!task) return "needs_actor";
  const { op, name, one } = call;
  if (op.op === "release") return refusedOr(releaseLock(step, task, name, op.token), { released: true });
  if (op.op === "acquire") {
    const asked = { call: id, names: op.names, listed: !one, mode: op.mode, until: untilOf(step, op) };
    return begun(run, acquire(step, task, asked), one);
  }
  const done = tryAcquire(step, task, name, op.mode);
  if (!done) return result({ acquired: false, holders: holdersOf(run, name) });
  return done.kind === "granted" ? result({ acquired: true, token: done.tokens[name] }) : refusalWords(done);
}

function useSemaphore(
  step: Step,
  run: LoadedRun,
  { task, call: id }: BlockingCaller,
  { op, name }: BlockingCallOf<"semaphore">,
): Blocked {
  const { permits } = op;
  if (op.op === "create") return refusedOr(createSemaphore(step, name, permits), { permits });
  if (!task) return "needs_actor";
  if (op.op === "release") return refusedOr(releasePermits(step, task, name, permits), { released: permits });
  return begun(run, acquirePermits(step, task, { call: id, name, permits, until: untilOf(step, op) }));
}

function useBarrier(
  step: Step,
  run: LoadedRun,
  { task, call: id, members }: BlockingCaller,
  { op, name }: BlockingCallOf<"barrier">,
): Blocked {
  if (!task) return "needs_actor";
  const once = [...new Set(members)];
  return begun(
    run,
    arrive(step, task, { call: id, name, parties: op.parties, members: once, until: untilOf(step, op) }),
  );
}

function useQueue(
  step: Step,
  run: LoadedRun,
  { task, call: id }: BlockingCaller,
  { op, name }: BlockingCallOf<"message_queue">,
): Blocked {
  switch (op.op) {
    case "create":
      return refusedOr(createQueue(step, name, op.capacity), { capacity: op.capacity });
    case "push": {
      const sizes = op.messages.map((message) => JSON.stringify(message).length);
      const caller = { task, call: id, until: untilOf(step, op) };
      return begun(run, push(step, caller, name, { messages: op.messages, sizes }));
    }
    case "pop":
      return begun(run, pop(step, { task, call: id, until: untilOf(step, op) }, name, op));
    case "close":
      closeQueue(step, name, task);
      return result({ closed: true });
    default: {
      const facts = queueOf(run.state, name);
      return result({ size: queueSize(facts), capacity: facts.capacity, closed: facts.closed });
    }
  }
}

function useFuture(
  step: Step,
  run: LoadedRun,
  { task, call: id }: BlockingCaller,
  { op, name, one }: BlockingCallOf<"future">,
): Blocked {
  switch (op.op) {
    case "resolve":
      return refusedOr(settleFuture(step, name, { task, state: "resolved", value: op.value }), { resolved: true });
    case "reject":
      return refusedOr(settleFuture(step, name, { task, state: "rejected", value: op.error }), { rejected: true });
    case "await": {
      const { names, mode, external, ask } = op;
      const asks = ask !== undefined && { ask };
      const wait = { call: id, names, mode, one, until: untilOf(step, op), external, ...asks };
      return begun(run, awaitFutures(step, task, wait));
    }
    default:
      return result(futureView(run, name));
  }
}

const refusedOr = (refusal: Refusal | undefined, value: object): Words =>
  refusal ? refusalWords(refusal) : result(value);

function begun(run: LoadedRun, done: Begun | undefined, one = true): Blocked {
  if (!done) return "needs_actor";
  switch (done.kind) {
    case "waiting":
      return "waiting";
    case "done":
      return { seq: done.seq };
    case "granted":
    case "permits":
    case "tripped":
    case "broken":
    case "pushed":
    case "popped":
    case "closed":
    case "futures":
    case "timed_out":
    case "superseded":
    case "declined":
    case "deadlock_victim":
      return outcomeWords(run, done, one);
    default:
      return refusalWords(done);
  }
}
