/** What a run left behind when it ended: messages that nobody took, results that nobody read. */

import { entryOf } from "../entry-of.ts";
import type { TraceEvent } from "../trace-event.ts";
import type { Detector, Found } from "./found.ts";
import type { RunFacts } from "./run-facts.ts";
import { evidenceMax, subjectsMax } from "./thresholds.ts";

interface Queue {
  left: number;
  readonly pushers: Set<number>;
  lastPush: number;
}

export class Leaked implements Detector {
  readonly #queues = new Map<string, Queue>();
  readonly #awaited = new Set<number>();
  /** Calls that wait for tasks, by who made them. */
  readonly #calls = new Map<number, Set<string>>();
  /** Tasks that have ended and that nobody is known to have awaited. */
  #unread: number[] = [];
  /** By task that was retried: what it created from one event up to another is void. */
  readonly #void = new Map<number, { readonly from: number; readonly to: number }[]>();
  /** Tasks whose own work ended before their children's. */
  readonly #leftToChildren = new Set<number>();

  event(event: TraceEvent): void {
    switch (event.type) {
      case "messages_pushed": {
        const queue = entryOf(this.#queues, event.name, () => ({ left: 0, pushers: new Set<number>(), lastPush: 0 }));
        queue.left += event.sizes.length;
        if (event.task !== undefined) queue.pushers.add(event.task);
        queue.lastPush = event.seq;
        return;
      }
      case "messages_popped": {
        const queue = this.#queues.get(event.name);
        if (queue) queue.left -= event.count;
        return;
      }
      case "call_waiting":
        for (const target of event.targets) this.#awaited.add(target);
        if (event.targets.length > 0) entryOf(this.#calls, event.task, () => new Set<string>()).add(event.call);
        return;
      case "call_done":
        if (event.tool !== "await_tasks" || this.#calls.get(event.task)?.delete(event.call)) return;
        // Where it does not say which were over when they were awaited, it may be any of them.
        for (const target of event.targets ?? this.#unread) this.#awaited.add(target);
        if (!event.targets) this.#unread = [];
        return;
      case "task_ended":
        this.#unread.push(event.task);
        this.#calls.delete(event.task);
        return;
      case "task_retried": {
        const from = event.from?.before ?? 0;
        entryOf(this.#void, event.task, () => []).push({ from, to: event.seq });
        this.#leftToChildren.delete(event.task);
        return;
      }
      case "task_created":
        for (const target of event.after ?? []) this.#awaited.add(target);
        return;
      case "task_parked":
        if (event.on === "children") this.#leftToChildren.add(event.task);
        return;
      case "task_fell_back":
        // Its result is its fallback's: nobody else's is asked for any more.
        this.#leftToChildren.delete(event.task);
        return;
      default:
    }
  }

  finish(facts: RunFacts): Found[] {
    if (facts.ended === undefined) return [];
    return [...this.#messages(), ...this.#results(facts)];
  }

  #messages(): Found[] {
    return Array.from(this.#queues).flatMap(([name, { left, pushers, lastPush }]) =>
      left <= 0
        ? []
        : {
            kind: "leaked_variable",
            severity: "warning" as const,
            subjects: [...pushers].slice(0, subjectsMax),
            evidence: [lastPush],
            message: `The run ended with ${left} message${left === 1 ? "" : "s"} left in "${name}" that nobody popped. Whoever pops must go on until the queue is closed and empty, or the pushers made more than was wanted.`,
          },
    );
  }

  /** It, or one above it, was created by a generation that is no more. */
  #isVoid(facts: RunFacts, n: number): boolean {
    for (let task = facts.tasks.get(n); task; task = facts.tasks.get(task.parent)) {
      const { parent, createdSeq } = task;
      if (this.#void.get(parent)?.some(({ from, to }) => createdSeq >= from && createdSeq < to)) return true;
    }
    return false;
  }

  #results(facts: RunFacts): Found[] {
    const byParent = new Map<number, number[]>();
    for (const { task, parent, detached, state } of facts.tasks.values()) {
      if (parent === 0 || detached || state !== "succeeded") continue;
      if (this.#awaited.has(task) || !this.#leftToChildren.has(parent) || this.#isVoid(facts, task)) continue;
      entryOf(byParent, parent, () => []).push(task);
    }
    return Array.from(byParent, ([parent, tasks]) => ({
      kind: "never_awaited",
      severity: "info" as const,
      subjects: [parent, ...tasks].slice(0, subjectsMax),
      evidence: facts.events(tasks.slice(0, evidenceMax)),
      message: `${facts.name(parent)} ended its own work without reading what ${facts.names(tasks, 3)} found: nobody awaited them, and no task names them in after. Await them before the last reply, or create them with detached when only their effects count.`,
    }));
  }
}
