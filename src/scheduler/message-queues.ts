/**
 * Message queues: messages are the bodies of the events that brought them, and are read from there when they are popped.
 *
 * Q1. Each message goes to exactly one pop, in the order of the pushes; the messages of one push stand together.
 * Q2. A push is whole: it waits until all of its messages fit, and later pushes wait behind it.
 * Q3. A closed queue takes nothing more: pushes that wait are refused, and pops are told when nothing is left.
 */

import { assert } from "../errors/assert.ts";
import { popBytesMax, queueCapacityDefault, queuedMessagesMax } from "../limits.ts";
import { beginWait, knownCall, settleWait, waitedMs } from "./calls.ts";
import type { QueueFacts } from "./facts.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import type { Task } from "./task.ts";
import type { Begun, MessagesAt, Refusal, WaitOutcome } from "./wait-outcome.ts";
import type { Waiter } from "./want.ts";

export const emptyQueue: QueueFacts = {
  kind: "message_queue",
  capacity: queueCapacityDefault,
  closed: false,
  pushed: 0,
  popped: 0,
  waitedMs: 0,
  parts: [],
};

export const queueOf = (state: RunState, name: string): QueueFacts =>
  state.blocking.factsOf(name, "message_queue") ?? emptyQueue;
const lineOf = (state: RunState, name: string) => state.blocking.line(name, "message_queue");
export const queueSize = ({ pushed, popped }: QueueFacts): number => pushed - popped;

/** The one who pushes or pops; undefined: from outside, without a session, so it can't wait. */
export interface Caller {
  readonly task: Task | undefined;
  readonly call: string;
  readonly until: number;
}

const byOf = ({ task }: Caller): { task?: number } => (task ? { task: task.n } : {});

export function createQueue(step: Step, name: string, capacity: number): Refusal | undefined {
  const facts = step.state.blocking.factsOf(name, "message_queue");
  if (facts) return facts.capacity === capacity ? undefined : { kind: "already_created", name, size: facts.capacity };
  step.emit({ type: "queue_created", name, capacity });
  return undefined;
}

/** Undefined: it would have to wait, and can't. */
export function push(
  step: Step,
  caller: Caller,
  name: string,
  { messages, sizes }: { messages: readonly unknown[]; sizes: readonly number[] },
  causes?: readonly number[],
): Begun | undefined {
  const known = caller.task && knownCall(caller.task, caller.call);
  if (known) return known;
  const { state } = step;
  const facts = queueOf(state, name);
  if (facts.closed) return { kind: "queue_closed", name };
  if (sizes.length > facts.capacity) return { kind: "over_capacity", name, asked: sizes.length, size: facts.capacity };
  if (state.blocking.queued + sizes.length > queuedMessagesMax) return { kind: "queues_full", name };
  const isFull = queueSize(facts) + sizes.length > facts.capacity || lineOf(state, name).pushes.first !== undefined;
  if (isFull) {
    if (!caller.task) return undefined;
    return beginWait(step, caller.task, caller.call, { kind: "push", names: [name], sizes }, caller.until, {
      body: { messages },
    });
  }
  step.emit({ type: "messages_pushed", name, ...byOf(caller), sizes }, { messages }, causes);
  return { kind: "pushed", name };
}

/** Undefined: it would have to wait, and can't. */
export function pop(
  step: Step,
  caller: Caller,
  name: string,
  { max, external, ask }: { max: number; external: boolean; ask?: string },
): Begun | undefined {
  const known = caller.task && knownCall(caller.task, caller.call);
  if (known) return known;
  const facts = queueOf(step.state, name);
  if (queueSize(facts) > 0 && !lineOf(step.state, name).pops.first) {
    const messages = take(facts, max);
    emitPop(step, name, messages, byOf(caller));
    return { kind: "popped", messages };
  }
  if (facts.closed && queueSize(facts) === 0) return { kind: "closed", name, op: "pop" };
  if (!caller.task) return undefined;
  const want = { kind: "pop", names: [name], max, external } as const;
  return beginWait(step, caller.task, caller.call, want, caller.until, { ask });
}

export function closeQueue(step: Step, name: string, task: Task | undefined): void {
  if (queueOf(step.state, name).closed) return;
  step.emit({ type: "queue_closed", name, ...(task && { task: task.n }) });
}

/** Lets pushes in while they fit and pops out while there is something, each in their order. */
export function handOverMessages(step: Step, name: string): void {
  const { state } = step;
  const line = lineOf(state, name);
  const end = (waiter: Waiter, outcome: WaitOutcome) => settleWait(step, waiter, outcome, state.header.seq);
  for (;;) {
    const facts = queueOf(state, name);
    const pusher = line.pushes.first;
    const popper = line.pops.first;
    if (pusher && facts.closed) {
      end(pusher, { kind: "closed", name, op: "push" });
    } else if (pusher && queueSize(facts) + pusher.want.sizes.length <= facts.capacity) {
      const { sizes } = pusher.want;
      const by = { task: pusher.task, from: pusher.seq, ...waitedMs(step, pusher) };
      step.emit({ type: "messages_pushed", name, ...by, sizes }, undefined, [pusher.seq]);
      end(pusher, { kind: "pushed", name });
    } else if (popper && queueSize(facts) > 0) {
      const messages = take(facts, popper.want.max);
      emitPop(step, name, messages, { task: popper.task, ...waitedMs(step, popper) });
      end(popper, { kind: "popped", messages });
    } else if (popper && facts.closed) {
      end(popper, { kind: "closed", name, op: "pop" });
    } else {
      return;
    }
  }
}

/** The first messages, at most `max` and a page's bytes; at least one. */
function take({ parts }: QueueFacts, max: number): MessagesAt[] {
  const taken: MessagesAt[] = [];
  let room = max;
  let bytes = popBytesMax;
  for (const { seq, index, sizes } of parts) {
    let count = 0;
    for (const size of sizes) {
      if (room === 0 || (size > bytes && room < max)) break;
      bytes -= size;
      room--;
      count++;
    }
    if (count > 0) taken.push({ seq, index, count });
    if (count < sizes.length) break;
  }
  assert(taken.length > 0, "a pop takes at least one message");
  return taken;
}

function emitPop(step: Step, name: string, messages: readonly MessagesAt[], by: object): void {
  const count = messages.reduce((sum, one) => sum + one.count, 0);
  step.emit(
    { type: "messages_popped", name, ...by, count },
    undefined,
    messages.map(({ seq }) => seq),
  );
}
