/**
 * Random plans for property tests: batches with groups, tasks after groups, stand-ins and children, and acts upon them. What must hold
 * after each act is said here as the rules say it, by brute force, and who begins again with a retry by its definition.
 */

import fc from "fast-check";
import { expect } from "vitest";
import type { Groups } from "../../src/contract/task-spec.ts";
import { apply } from "../../src/scheduler/apply.ts";
import { settleChains } from "../../src/scheduler/chains.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import {
  type Group,
  hasFallenBack,
  isEnded,
  isLive,
  isStandIn,
  joinsParent,
  type Task,
} from "../../src/scheduler/task.ts";
import { TaskTurns, type TurnPoint } from "../../src/scheduler/turns.ts";
import { allTasks, checkState, expectSame } from "./check.ts";
import { newState, Run, type Spec } from "./run.ts";

const names = ["g", "h"] as const;

/** One of `n` times. */
const oneIn = <T>(n: number, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.oneof({ weight: n - 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });
const flag = (n: number) => oneIn(n, fc.constant(true as const));

const terms = fc.record({
  require: fc.nat(3),
  on_failure: fc.constantFrom("cancel" as const, "continue" as const),
  when_met: fc.constantFrom("continue" as const, "cancel" as const),
});

const planned = fc.record({
  after: fc.array(fc.nat(), { maxLength: 2, size: "max" }),
  /** Of another batch. */
  older: oneIn(4, fc.nat()),
  group: oneIn(2, fc.constantFrom(...names)),
  follows: oneIn(2, fc.constantFrom(...names)),
  run: flag(5),
  standIn: flag(3),
  detached: flag(6),
  pulled: flag(4),
  priority: fc.nat(9),
});

const batch = (maxLength: number) =>
  fc.record({ tasks: fc.array(planned, { minLength: 1, maxLength, size: "max" }), g: terms, h: terms });

type Batch = typeof batch extends (n: number) => fc.Arbitrary<infer One> ? One : never;

const act = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("make" as const), of: fc.nat(), batch: batch(4) }) },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "start",
        "turn",
        "turn",
        "turn",
        "complete",
        "complete",
        "complete",
        "fail",
        "fail",
        "fail",
      ),
      of: fc.nat(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("cancel", "lose", "giveBack"), of: fc.nat() }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("retry" as const), of: fc.nat(), turn: oneIn(2, fc.nat()) }),
  },
);

type Act = typeof act extends fc.Arbitrary<infer One> ? One : never;

export const plans = fc.record({
  posted: fc.array(batch(8), { minLength: 1, maxLength: 2 }),
  acts: fc.array(act, { minLength: 10, maxLength: 60, size: "max" }),
  failFast: flag(5),
  room: oneIn(4, fc.integer({ min: 20, max: 50 })),
});

/** A run of such a plan, which knows its batches. */
export class PlanRun extends Run {
  /** The tasks of each, oldest first. */
  readonly batches: number[][] = [];

  add(creator: Task | undefined, { tasks, g, h }: Batch): void {
    const known = allTasks(this.state).filter((task) => !isAbove(this, task, creator));
    const keyOf = (i: number) => `b${this.batches.length}k${i}`;
    /** By group; one that a task comes after has all of its members before that one. */
    const sizes = new Map<string, number>();
    const followed = new Set<string>();
    const specs = tasks.map(({ priority, ...one }, i): Spec => {
      const after = i > 0 ? one.after.map((n) => keyOf(n % i)) : [];
      if (one.older !== null && known.length > 0) after.push(`T${known[one.older % known.length]!.n}`);
      if (one.follows && sizes.has(one.follows)) {
        after.push(one.follows);
        followed.add(one.follows);
      }
      const group = one.group && !followed.has(one.group) ? one.group : undefined;
      if (group) sizes.set(group, (sizes.get(group) ?? 0) + 1);
      return {
        key: keyOf(i),
        after: [...new Set(after)],
        priority,
        ...(group && { group }),
        ...(one.run && { on_dependency_failure: "run" as const }),
        ...(one.standIn && { on_failure: { task: { instructions: "else" } } }),
        ...(one.detached && { detached: true }),
        ...(one.pulled && { pool: "box" }),
      };
    });
    const groups: Groups = {};
    for (const [name, size] of sizes) {
      const { require, ...rest } = name === "g" ? g : h;
      groups[name] = { ...rest, ...(require > 0 && { require: Math.min(require, size) }) };
    }
    const made = this.batch(creator, specs, {}, groups);
    if (made.ok) this.batches.push(made.tasks.map(({ n }) => n));
  }

  /** One of those that fit, every other time one of whom more hangs on where there is one. */
  pick(of: number, fits: (task: Task) => boolean, matters: (task: Task) => boolean = () => false): Task | undefined {
    const fitting = allTasks(this.state).filter(fits);
    const first = of % 2 === 0 ? [] : fitting.filter(matters);
    const among = first.length > 0 ? first : fitting;
    return among[Math.floor(of / 2) % Math.max(1, among.length)];
  }

  turnsOf(task: Task): TaskTurns {
    const told = new TaskTurns();
    for (const { event, seq, at } of this.log) if ("task" in event && event.task === task.n) told.add(event, seq, at);
    return told;
  }

  pointOf(task: Task, turn: number): TurnPoint | undefined {
    return this.turnsOf(task).pointAfter(turn, this.state.header.seq + 1, ({ snapshot }) => `before ${snapshot}`);
  }

  /** Where a child goes on: every other one had said its last word, and says it again. */
  lastPointOf(task: Task): TurnPoint | undefined {
    return this.pointOf(task, task.turns - (task.n % 2));
  }

  /** Does one act, and says whether anything came of it. */
  act(one: Act): boolean {
    const { kind, of } = one;
    const isReady = ({ phase }: Task) => phase.state === "ready";
    const isAtWork = (task: Task) => task.phase.state === "running" || isReady(task);
    const matters = ({ liveChildren, parent }: Task) =>
      kind === "turn" || kind === "make" ? parent > 0 : liveChildren > 0;
    if (kind === "retry") {
      const task = this.pick(of, isEnded, ({ turns, scope }) => (one.turn === null ? scope !== undefined : turns > 0));
      if (task) this.tryAgain(task, one.turn);
      return task !== undefined;
    }
    const task =
      kind === "start" ? this.pick(of, isReady) : this.pick(of, kind === "cancel" ? isLive : isAtWork, matters);
    if (!task) return false;
    if (kind !== "cancel" && isReady(task)) this.start(task);
    if (kind === "make") this.add(task, one.batch);
    else if (kind === "turn") for (let i = 0; i <= of % 3; i++) this.turn(task);
    else if (kind !== "start") this[kind](task);
    return true;
  }

  /** Retries, and checks who begins again and what it costs. */
  tryAgain(task: Task, turn: number | null): void {
    const point = turn === null || task.turns === 0 ? undefined : this.pointOf(task, 1 + (turn % task.turns));
    const expected = isStandIn(task) ? [] : againWith(this, task, point);
    const logged = this.log.length;
    const pointsOf = (tasks: readonly Task[]) =>
      new Map(tasks.flatMap((one) => (this.lastPointOf(one) ? [[one.n, this.lastPointOf(one)!]] : [])));
    const refusal = this.step((step) => retryTask(step, task, { point, pointsOf }));
    const events = this.log.slice(logged).map(({ event }) => event);
    if (refusal) {
      expect(events).toEqual([]);
      return;
    }
    const again = events.flatMap((event) => (event.type === "task_retried" ? [event.task] : []));
    expect([...again].sort((a, b) => a - b)).toEqual(expected);
    const concerned = new Set(events.flatMap((event) => ("task" in event ? [event.task] : [])));
    expect(events.length).toBeLessThanOrEqual(5 * concerned.size + 2);
  }

  /** What must hold between any two acts. */
  check(): void {
    checkState(this.state, this.now);
    checkPlan(this);
  }

  checkReplay(): void {
    const again = newState();
    for (const { event, seq, at } of this.log) apply(again, event, seq, at);
    settleChains(again);
    expectSame(this.state, again);
  }

  /** A simple worker takes what is ready until nothing is live. */
  drive(): void {
    for (let rounds = 0; this.state.liveCount() > 0; rounds++) {
      expect(rounds).toBeLessThan(1000);
      const task = this.pick(0, ({ phase }) => phase.state === "running" || phase.state === "ready");
      if (!task) this.clock(600_000);
      else if (task.phase.state === "ready") this.succeed(task);
      else this.complete(task);
    }
  }
}

const verdictOf = ({ require }: Group, members: readonly Task[]): Group["told"] => {
  const succeeded = members.filter(({ phase }) => phase.state === "succeeded").length;
  if (succeeded >= require) return "met";
  return succeeded + members.filter(isLive).length < require ? "failed" : "open";
};

function isAbove({ state }: Run, task: Task, below: Task | undefined): boolean {
  for (let one = below; one; one = state.find(one.parent)) if (one === task) return true;
  return false;
}

/** Whether its creator, or one above that it ends with, was retried since: it may be left as it is. */
function isVoid({ state }: Run, task: Task): boolean {
  let one = task;
  while (one.parent > 0 && !one.keyFreed && !one.detached) one = state.task(one.parent);
  return one.keyFreed;
}

const present = (run: Run, task: Task): Task[] => task.children.map((n) => run.state.task(n)).filter(isStandIn);

function checkPlan(run: Run): void {
  const tasks = allTasks(run.state);
  const at = (n: number) => tasks[n - 1]!;
  const must = (fine: boolean, what: string) => {
    if (!fine) throw new Error(`does not hold: ${what}`);
  };
  const unused = tasks.filter((one) => one.scope?.onFailure && present(run, one).length === 0);
  must((run.state.header.standIns ?? 0) === unused.length, `[Z5] room is kept for ${unused.length} stand-ins`);
  for (const lead of tasks) {
    const group = lead.scope?.leads;
    if (!group || lead.keyFreed) continue;
    const members = group.members.map(at);
    must(group.told === verdictOf(group, members), `[J1] the group of task ${lead.n} is ${verdictOf(group, members)}`);
    if (group.told !== "failed" || !members.every(isEnded)) continue;
    for (const one of members)
      if (one.phase.state === "succeeded" && one.scope?.onFailure)
        must(present(run, one).length === 1, `[J5] task ${one.n} is undone`);
  }
  for (const task of tasks) {
    for (const standIn of present(run, task)) {
      const { why } = standIn.scope!.standsIn!;
      must(why === "fallback" || task.phase.state === "succeeded", `[Z3] ${task.n} succeeded, and is undone`);
      must(why === "compensation" || hasFallenBack(task) || isEnded(task), `[Z1] ${task.n} has fallen back`);
    }
    if (hasFallenBack(task)) must(present(run, task).length === 1, `[Z1] a fallback of ${task.n}`);
    const isFresh = task.phase.state === "ready" && task.head === undefined;
    must(!isFresh || !isHopeless(run, task, () => false), `[J3] task ${task.n} may begin`);
    must(task.phase.state !== "skipped" || task.head === undefined, `[R4] task ${task.n} has begun, and goes on`);
    if (task.phase.state !== "skipped" || isVoid(run, task)) continue;
    if (run.endOf(task)?.error?.message?.includes("by now waits for it")) continue;
    must(
      !task.runOnFailure && isHopeless(run, task, () => false),
      `[R3] task ${task.n} is skipped for what is so still`,
    );
  }
}

/** Whether it must be skipped, where some that ended are tried again and may succeed. */
function isHopeless(run: Run, task: Task, mayYet: (one: Task) => boolean): boolean {
  if (task.runOnFailure) return false;
  const at = (n: number) => run.state.task(n);
  const follows = task.scope?.follows ?? [];
  const fails = follows.some((n) => {
    const { leads: group } = at(n).scope!;
    const left = group!.members.filter((m) => mayYet(at(m)) || isLive(at(m)) || at(m).phase.state === "succeeded");
    return left.length < group!.require;
  });
  const others = task.after.map(at).filter(({ scope }) => !follows.includes(scope?.group ?? 0));
  return fails || others.some((one) => isEnded(one) && one.phase.state !== "succeeded" && !mayYet(one));
}

/**
 * Who begins again with a retry, by definition: the least set that holds the task and all that comes with one of it. What comes with a
 * task is of its batch or a newer one, so batch by batch it is known whom the retry makes void.
 */
function againWith(run: PlanRun, task: Task, point: TurnPoint | undefined): number[] {
  const at = (n: number) => run.state.task(n);
  const again = new Set([task.n]);
  const kept = new Set<number>();
  const pointAt = (one: Task) => (one === task ? point : kept.has(one.n) ? run.lastPointOf(one) : undefined);
  const isKeptBy = (parent: Task, child: Task) =>
    !child.keyFreed && !isStandIn(child) && child.createdSeq < (pointAt(parent)?.before ?? 0);
  /** A child of who begins again that is not kept, and all below it that is not detached. */
  const isVoided = (one: Task): boolean => {
    if (one.parent === 0 || one.keyFreed) return false;
    const parent = at(one.parent);
    if (again.has(parent.n) && !isKeptBy(parent, one)) return true;
    return !one.detached && isVoided(parent);
  };
  const takes = (one: Task): boolean =>
    again.has(one.n) && (pointAt(one) !== undefined || !isHopeless(run, one, takes));
  const membersOf = (lead: number) => at(lead).scope!.leads!.members.map(at);
  const comes = (one: Task): boolean => {
    if (!isEnded(one) || isStandIn(one) || one.keyFreed || isVoided(one)) return false;
    const { state, because } = one.phase;
    const parent = one.parent > 0 ? at(one.parent) : undefined;
    if (
      parent &&
      again.has(parent.n) &&
      isKeptBy(parent, one) &&
      state === "cancelled" &&
      because === parent.n &&
      joinsParent(one)
    )
      return true;
    if (
      state === "skipped" &&
      one.after.some((n) => n === because && takes(at(n)) && !one.scope?.follows?.includes(at(n).scope?.group ?? 0))
    )
      return true;
    if (state === "skipped")
      for (const lead of one.scope?.follows ?? [])
        if (at(because).scope?.group === lead && membersOf(lead).some(takes)) return true;
    if (one.scope?.group === undefined || at(one.scope.group).scope!.leads!.told !== "failed") return false;
    const others = membersOf(one.scope.group).filter((other) => other !== one && takes(other));
    if (state === "cancelled") {
      const { code, because: by } = run.endOf(one)!.error!;
      return code !== "group_met" && others.some(({ n }) => n === by);
    }
    const isUndone = present(run, one).some(({ scope }) => scope?.standsIn?.why === "compensation");
    return state === "succeeded" && isUndone && others.length > 0;
  };
  for (const members of run.batches) {
    for (let grown = true; grown; ) {
      grown = false;
      for (const n of members) {
        if (again.has(n) || !comes(at(n))) continue;
        again.add(n);
        grown = true;
        const parent = at(n).parent > 0 ? at(at(n).parent) : undefined;
        if (parent && again.has(parent.n) && isKeptBy(parent, at(n))) kept.add(n);
      }
    }
  }
  return [...again].sort((a, b) => a - b);
}
