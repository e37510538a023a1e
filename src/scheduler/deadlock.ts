/**
 * Deadlocks (DESIGN §6): a cycle of waits is found when a wait closes it, and one wait of it fails. A stall is one without a
 * cycle: everybody waits for somebody to push, resolve or arrive, and nobody is left to.
 *
 * X1. Only a task that can never act again, by the fixpoint of liveness.ts, is made a victim; so no false alarm.
 * X2. The victim is, among the tasks that wait in a tool call, the one of lowest priority, then of fewest tokens spent, then
 *     the youngest. Its task goes on: it is told the cycle, what it lost and an order that would have worked.
 * X3. A stall of a run with a root gets its victim at once. Without one, or while a session lives, somebody outside may
 *     still act: it is a finding at once, and gets a victim after `limits.stall_ms` without a call from outside. That time is given in
 *     full, whoever leaves meanwhile: it is what those who are asked have been told.
 */

import { assert } from "../errors/assert.ts";
import { faults } from "../errors/faults.ts";
import { cyclesReported, findingSubjectsMax } from "../limits.ts";
import { mayWaitFor } from "./circles.ts";
import { canSomebodyGoOn, type Doing, findStuck, type Stuck, type Wait, waitsOf } from "./liveness.ts";
import { cyclesOf, isRunEnded, type RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { type Task, type WaitingCall, waitingCall } from "./task.ts";
import { endWaits, isRather } from "./victim.ts";
import { isExternal } from "./want.ts";

interface Link {
  readonly task: Task;
  /** The call that waits; undefined: a dependency or its children. */
  readonly call: WaitingCall | undefined;
}

type CallLink = Link & { readonly call: WaitingCall };

const waitsInCall = (link: Link): link is CallLink => link.call !== undefined;

/** Ends waits until `task` is in, or behind, no cycle any more; `handOver` must follow. */
export function breakDeadlock(step: Step, task: Task): void {
  // A long line of tasks that hold nothing costs each newcomer next to nothing.
  if (!mayWaitFor(step.state, providersOf(step.state, task), task)) return;
  for (let cycle = cycleFrom(step.state, task); cycle; cycle = cycleFrom(step.state, task)) failCycle(step, cycle);
}

function* providersOf(state: RunState, task: Task): Generator<Doing> {
  for (const { of } of waitsOf(state, task, true)) yield* of;
}

/** A cycle that the task is in or behind, waits for anyone aside: those are a stall's. */
function cycleFrom(state: RunState, from: Task): readonly Link[] | undefined {
  const stuck = findStuck(state, [from.n]);
  if (!stuck.acting.has(from.n)) return undefined;
  const isStuck = isIn(stuck);
  const path: (Link & { readonly n: number; readonly act: boolean })[] = [];
  for (let doing: Doing = { task: from.n, act: true }; ; ) {
    const place = path.findIndex(({ n, act }) => n === doing.task && act === doing.act);
    if (place >= 0)
      return path.slice(place).filter(({ task, act }, i, all) => act || all[(i + 1) % all.length]!.task !== task);
    const task = state.task(doing.task);
    const wait = [...waitsOf(state, task, doing.act)].find((one) => isUnmet(one, isStuck));
    const next = wait?.of.find(isStuck);
    // Never so: what is stuck waits for what is stuck. A cycle that is missed is better than a run that can't be loaded.
    if (!wait || !next) return undefined;
    path.push({ task, call: waitingCall(task, wait.call), n: task.n, act: doing.act });
    doing = next;
  }
}

const isIn =
  ({ acting, ending }: Stuck) =>
  ({ task, act }: Doing): boolean =>
    (act ? acting : ending).has(task);

/** Whether this wait keeps its task stuck. */
const isUnmet = ({ of, need, anyone }: Wait, isStuck: (doing: Doing) => boolean): boolean =>
  anyone || of.reduce((sum, one) => sum + (isStuck(one) ? 0 : one.weight), 0) < need;

function failCycle(step: Step, cycle: readonly Link[]): void {
  const links = cycle.filter(waitsInCall);
  assert(links.length > 0, "dependencies and children alone never make a cycle");
  const victim = links.reduce((one, other) => (isRather(other.task, one.task) ? other : one));
  const first = cycle.findIndex((link) => link.task === victim.task);
  const numbers = [...cycle.slice(first), ...cycle.slice(0, first)].map((link) => link.task.n);
  const order = [...new Set(cycle.flatMap(locksOf))].sort();
  const over = [...new Set([...order, ...links.flatMap(({ call }) => call.want?.names ?? [])])].sort();
  const cycleName = (over.length > 0 ? over : numbers.toSorted((a, b) => a - b)).join(", ");
  const message = `${numbers.length} tasks waited for one another${over.length > 0 ? ` over ${cycleName}` : ""}; the wait of the first was ended.`;
  const found = step.emit(
    {
      type: "finding",
      kind: faults.deadlock_victim.finding,
      severity: "warning",
      subjects: numbers,
      message,
      cycle: cycleName,
    },
    undefined,
    links.map(({ call }) => call.seq),
  );
  reportRepeated(step, cycleName, numbers, found);
  endWaits(step, victim.task, [victim.call], { cycle: numbers, order }, found);
}

/** A cycle that comes again and again is the program's own fault, and worth more than one line each time. */
function reportRepeated(step: Step, cycle: string, subjects: readonly number[], found: number): void {
  const count = cyclesOf(step.state.header, cycle);
  if (count !== cyclesReported) return;
  const message = `The same deadlock was found and broken ${count} times (${cycle}). The tasks take the same things in different orders: let them take all at once with \`names\`, or in one order.`;
  step.emit({ type: "finding", kind: "deadlock_repeated", severity: "error", subjects, message }, undefined, [found]);
}

/**
 * Where nobody can go on and somebody waits for whoever will: tells of it, and ends one task's waits when nobody can come any
 * more. Answers whether it did: then `handOver` and another look must follow.
 */
export function breakStall(step: Step): boolean {
  const { state, now } = step;
  const { header } = state;
  if (state.blocking.anyoneWaits === 0 || isRunEnded(state)) return false;
  if (canSomebodyGoOn(state)) return false;
  const endAt = stallEndAt(state);
  const isDue = endAt === undefined ? header.root > 0 && state.actors.size === 0 : endAt <= now;
  if (!isDue && endAt !== undefined) return false;
  // Whoever asks meanwhile, again and again, changes nothing of it.
  if (state.blocking.calmAt === header.seq) return false;
  const links = stalledWaits(state);
  if (links.length === 0) {
    state.blocking.calmAt = header.seq;
    return false;
  }
  // Nobody's silence ends a wait for somebody outside: it is kept by the one before it in line, whose wait is among these.
  const victim = links
    .filter(({ call }) => !isExternal(call.want))
    .reduce((one, other) => (isRather(other.task, one.task) ? other : one));
  const others = [...new Set(links.map(({ task }) => task.n))].filter((n) => n !== victim.task.n);
  const subjects = [victim.task.n, ...others].slice(0, findingSubjectsMax);
  const names = [...new Set(links.flatMap(({ call }) => call.want?.names ?? []))]
    .slice(0, findingSubjectsMax)
    .join(", ");
  const seqs = links.slice(0, findingSubjectsMax).map(({ call }) => call.seq);
  if (!isDue) {
    const message = `${others.length + 1} tasks wait for ${names}, and no task is left that could act. A call from outside can; after limits.stall_ms without one, the wait of the first is ended.`;
    step.emit({ type: "finding", kind: "stall", severity: "warning", subjects, message }, undefined, seqs);
    return false;
  }
  const message = `${others.length + 1} tasks wait for ${names}, and nobody is left who could act; the wait of the first was ended.`;
  const found = step.emit(
    { type: "finding", kind: faults.deadlock_victim.finding, severity: "warning", subjects, message, cycle: names },
    undefined,
    seqs,
  );
  reportRepeated(step, names, subjects, found);
  // All that keep it, or it would not go on; those that end by themselves may.
  const calls = links
    .filter(({ task, call }) => task === victim.task && !isExternal(call.want))
    .map(({ call }) => call);
  endWaits(step, victim.task, calls, { cycle: subjects, order: [], stall: true }, found);
  return true;
}

/** The waits in tool calls that keep those who will never act, where nobody can go on. Linear in the live tasks. */
export function stalledWaits(state: RunState): readonly CallLink[] {
  const live = [...state.tasks.keys()].filter((n) => state.live(n));
  const stuck = findStuck(state, live, { still: true });
  const isStuck = isIn(stuck);
  return [...stuck.acting].flatMap((n): CallLink[] => {
    const task = state.task(n);
    const unmet = [...waitsOf(state, task, true, { still: true })].filter((wait) => isUnmet(wait, isStuck));
    return [...new Set(unmet.map(({ call }) => call))]
      .map((id) => ({ task, call: waitingCall(task, id) }))
      .filter(waitsInCall);
  });
}

/** When a stall gets its victim; undefined: there is none. */
export function stallEndAt({ header, outsideAt }: RunState): number | undefined {
  const { stalledAt, stallExtendedAt = 0, limits } = header;
  return stalledAt ? Math.max(stalledAt, stallExtendedAt, outsideAt) + limits.stallMs : undefined;
}

const locksOf = ({ task, call }: Link): string[] => {
  const wanted = call?.want?.kind === "lock" ? call.want.names : [];
  return [...task.holds.map((hold) => hold.name), ...wanted];
};
