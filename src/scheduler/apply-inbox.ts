/** The part of `apply` that is about messages to a task from outside. */

import { budgetsNotedMax } from "../limits.ts";
import type { EventOf } from "./events.ts";
import type { RunState } from "./state.ts";
import type { Task } from "./task.ts";

export function receive(state: RunState, event: EventOf<"message_received">): void {
  const task = state.task(event.task);
  task.inbox = [...task.inbox, { seq: state.header.seq, bytes: event.bytes }];
  state.dirty.add(task.n);
}

/** Budgets that it has been told of, the newest last. */
export function note(state: RunState, event: EventOf<"budget_noted">): void {
  const task = state.task(event.task);
  task.inbox = [...task.inbox, { seq: state.header.seq, bytes: event.bytes, note: true }];
  const others = task.noted.filter((one) => !event.notes.some(({ of, limit }) => of === one.of && limit === one.limit));
  task.noted = [...others, ...event.notes].slice(-budgetsNotedMax);
  state.dirty.add(task.n);
}

/** An attempt begins with all that waits. */
export function give(task: Task): void {
  task.given = task.inbox.length;
}

/** The oldest `count` stand in the transcript; the worker is given the others with the answer to its turn. */
export function show(task: Task, count: number): void {
  if (count > 0) task.inbox = task.inbox.slice(count);
  give(task);
}

/** The task's work is done: nothing shows them any more. */
export function empty(task: Task): void {
  if (task.inbox.length > 0) task.inbox = [];
  task.given = 0;
}
