/**
 * The variables that block, as part of a run's state: their facts, and the indexes of who holds and who waits.
 * Changed by `apply` alone; indexes are rebuilt from a checkpoint's tasks.
 */

import { assert } from "../errors/assert.ts";
import type { Facts, FactsOf } from "./facts.ts";
import { type Line, type LineKind, type LineOf, newLine } from "./lines.ts";
import type { Task } from "./task.ts";
import { isExternal, lineKindOf, type Waiter, type Want } from "./want.ts";

/** Whether any other live task could end this wait, and nothing else will. */
const needsAnyone = ({ want, until }: Waiter): boolean => {
  if (until > 0) return false;
  if (want.kind === "barrier") return want.members.length < want.parties;
  if (want.kind === "pop" || want.kind === "future") return !isExternal(want);
  return want.kind === "push";
};

export class BlockingState {
  readonly facts = new Map<string, Facts>();
  /** Facts that changed since the last checkpoint. */
  readonly dirty = new Set<string>();
  /** Variables that came free, or whose line moved, and that `handOver` has not looked at yet. */
  readonly freed = new Set<string>();
  /** Tasks whose waits changed, and that `breakDeadlocks` has not looked at yet. */
  readonly fresh = new Set<number>();
  /** Whether calls of a task's newest reply are still to be begun, as the lease that begins them knows; volatile. */
  readonly #replies = new Map<number, { readonly fence: number; readonly turn: number; readonly areLeft: boolean }>();
  /** Up to which event nobody was found to wait for ever where nobody can go on; volatile. */
  calmAt = -1;
  /** Messages in all queues, and of pushes that wait for room in one. */
  queued = 0;
  /** Waits that need somebody, whoever it is. */
  anyoneWaits = 0;
  /** Which task waits for somebody outside, by the event that began the wait. */
  readonly asked = new Map<number, number>();
  /** Tasks that more than one of their calls keeps waiting. */
  readonly several = new Set<number>();
  readonly #lines = new Map<string, Line>();
  /** Barriers that would break with a task's end, and by how many waits. */
  readonly #memberOf = new Map<number, Map<string, number>>();

  line<Kind extends LineKind>(name: string, kind: Kind): LineOf<Kind> {
    let line = this.#lines.get(name);
    if (!line) {
      line = newLine[kind]();
      this.#lines.set(name, line);
    }
    assert(line.kind === kind, `${name} is a ${line.kind}`);
    return line as LineOf<Kind>;
  }

  lineOf(name: string): Line | undefined {
    return this.#lines.get(name);
  }

  factsOf<Kind extends Facts["kind"]>(name: string, kind: Kind): FactsOf<Kind> | undefined {
    const facts = this.facts.get(name);
    assert(!facts || facts.kind === kind, `${name} is a ${facts?.kind}`);
    return facts as FactsOf<Kind> | undefined;
  }

  put(name: string, facts: Facts): void {
    const before = this.facts.get(name);
    this.queued += messagesOf(facts) - messagesOf(before);
    this.facts.set(name, facts);
    this.dirty.add(name);
  }

  /** Facts of a checkpoint. */
  load(name: string, facts: Facts): void {
    this.put(name, facts);
    this.dirty.delete(name);
  }

  /** Whom a hold of this variable serves: its holders. */
  *holdersOf(name: string): Generator<number> {
    const line = this.#lines.get(name);
    if (line?.kind === "lock" || line?.kind === "semaphore") yield* line.holders.keys();
  }

  /**
   * Whether calls of the task's newest reply are still to be begun by its open lease. Where they are not any more, others that wait for
   * it were taken for ones that go on: now it is looked at for all of them.
   */
  setUnfinished({ n, phase, turns, callsLeft }: Task, isSo: boolean): void {
    if (!isSo && (this.#replies.delete(n) || callsLeft)) {
      this.fresh.add(n);
      this.calmAt = -1;
    }
    if (phase.state === "running" && (isSo || callsLeft))
      this.#replies.set(n, { fence: phase.fence, turn: turns, areLeft: isSo });
  }

  /**
   * What they do may end waits of this task and of others: nobody's is known to be for ever yet. Where no open lease has said anything
   * of this reply, the log does: of one that another attempt is to go on with, it has that calls were left.
   */
  isUnfinished({ n, phase, turns, callsLeft }: Task): boolean {
    const said = this.#replies.get(n);
    return phase.state === "running" && phase.fence === said?.fence && turns === said.turn ? said.areLeft : callsLeft;
  }

  /** Whether an open lease has some of any task. */
  hasUnfinished(live: (n: number) => Task | undefined): boolean {
    let found = false;
    for (const [n, { fence, areLeft }] of this.#replies) {
      const phase = live(n)?.phase;
      if (phase?.state === "running" && phase.fence === fence) found ||= areLeft;
      else {
        this.#replies.delete(n);
        this.fresh.add(n);
      }
    }
    return found;
  }

  enter(waiter: Waiter): void {
    const { want } = waiter;
    for (const name of want.names) {
      (this.line(name, lineKindOf(want)) as { add(one: Waiter): void }).add(waiter);
      if (want.kind === "barrier") for (const member of want.members) this.#count(member, name, 1);
    }
    this.queued += messagesOfWait(want);
    if (waiter.task > 0 && needsAnyone(waiter)) {
      this.anyoneWaits++;
      if (want.kind === "pop") this.line(want.names[0], "message_queue").inside.add({ ...waiter, want });
    }
    if (waiter.task > 0 && isExternal(want)) this.asked.set(waiter.seq, waiter.task);
    this.fresh.add(waiter.task);
  }

  leave(waiter: Waiter): void {
    const { task, seq, want } = waiter;
    for (const name of want.names) {
      const line = this.#lines.get(name);
      line?.remove(seq);
      this.freed.add(name);
      if (want.kind === "barrier") for (const member of want.members) this.#count(member, name, -1);
    }
    this.queued -= messagesOfWait(want);
    this.asked.delete(seq);
    if (task > 0 && needsAnyone(waiter)) this.anyoneWaits--;
  }

  /** After any change of a task's calls. */
  countWaits({ n, calls }: Task): void {
    let waits = 0;
    for (const call of calls) if (call.state === "waiting") waits++;
    if (waits > 1) this.several.add(n);
    else this.several.delete(n);
  }

  /** A task's level rose, or it came to wait: nobody in its lines has a higher one than their `top`. */
  raiseTops({ calls, effective }: Task): void {
    for (const call of calls) {
      if (call.state !== "waiting") continue;
      for (const name of call.want?.names ?? []) {
        const line = this.#lines.get(name);
        if (line) line.top = Math.max(line.top, effective);
      }
    }
  }

  /** The barriers that somebody waits at and that name the task as a member. */
  barriersOf(task: number): string[] {
    return [...(this.#memberOf.get(task)?.keys() ?? [])];
  }

  #count(member: number, name: string, change: number): void {
    const names = this.#memberOf.get(member) ?? new Map<string, number>();
    const count = (names.get(name) ?? 0) + change;
    if (count === 0) names.delete(name);
    else names.set(name, count);
    if (names.size === 0) this.#memberOf.delete(member);
    else this.#memberOf.set(member, names);
  }

  /** Puts a task of a checkpoint into the indexes. */
  index(task: Task): void {
    for (const { name, mode } of task.holds) this.line(name, "lock").holders.set(task.n, mode);
    for (const { name, permits } of task.permits) this.line(name, "semaphore").hold(task.n, permits);
    for (const call of task.calls) {
      if (call.state === "waiting" && call.want) this.enter(waiterOf(task, call, call.want));
    }
    this.countWaits(task);
    this.raiseTops(task);
  }
}

export const waiterOf = (
  task: Pick<Task, "n" | "priority">,
  call: { readonly id: string; readonly seq: number; readonly since: number; readonly until: number },
  want: Want,
): Waiter => ({
  task: task.n,
  priority: task.priority,
  call: call.id,
  seq: call.seq,
  since: call.since,
  until: call.until,
  want,
});

const messagesOf = (facts: Facts | undefined): number =>
  facts?.kind === "message_queue" ? facts.pushed - facts.popped : 0;

const messagesOfWait = (want: Want): number => (want.kind === "push" ? want.sizes.length : 0);
