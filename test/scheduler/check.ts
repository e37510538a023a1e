/** What must hold of any state between steps, by brute force over its tasks, and the comparison of two states. */

import { deepStrictEqual } from "node:assert";
import { isDeepStrictEqual } from "node:util";
import { runIdleMs } from "../../src/limits.ts";
import { availabilityDueAt } from "../../src/scheduler/availability.ts";
import { isSpent, readyForWorkers } from "../../src/scheduler/budget.ts";
import { nextClock } from "../../src/scheduler/clock.ts";
import { stallEndAt } from "../../src/scheduler/deadlock.ts";
import { unmoved } from "../../src/scheduler/movers.ts";
import { isOpenCall, readyKeyOfCall } from "../../src/scheduler/open-calls.ts";
import { exhaustionAt } from "../../src/scheduler/pool-exhaustion.ts";
import { isStalled, openStall } from "../../src/scheduler/questions.ts";
import { compareReady } from "../../src/scheduler/ready-queue.ts";
import { findCall } from "../../src/scheduler/remote-calls.ts";
import { RuleBook } from "../../src/scheduler/rules/rule-book.ts";
import { limitsUnder } from "../../src/scheduler/rules/run-rules.ts";
import { noCounts, type RunState } from "../../src/scheduler/state.ts";
import {
  type Call,
  hasFallenBack,
  hostedPool,
  isEnded,
  isLive,
  isStandIn,
  type Task,
} from "../../src/scheduler/task.ts";
import { plainTask } from "../../src/scheduler/task-record.ts";

export const allTasks = (state: RunState): Task[] =>
  Array.from({ length: state.header.taskCount }, (_, i) => state.peek(i + 1)!);

const accepts = (task: Task, dependency: Task): boolean =>
  isEnded(dependency) &&
  (dependency.phase.state === "succeeded" ||
    task.runOnFailure ||
    task.scope?.follows?.includes(dependency.scope?.group ?? 0) === true);

const isChildOf = (task: Task, parent: number): boolean => task.parent === parent && !task.detached && !task.keyFreed;

type Families = ReadonlyMap<number, readonly Task[]>;

/** The children that each task joins. */
const familiesOf = (tasks: readonly Task[]): Families =>
  Map.groupBy(
    tasks.filter((task) => isChildOf(task, task.parent)),
    (task) => task.parent,
  );

/** Whom each live task waits for at present, from the phases alone. */
function waitsOf(task: Task, tasks: readonly Task[], families: Families): Task[] {
  const found: Task[] = [];
  const at = (n: number) => tasks[n - 1]!;
  if (task.phase.state === "waiting" && task.phase.pending > 0) found.push(...task.after.map(at));
  for (const call of task.calls) {
    if (call.state !== "waiting") continue;
    found.push(...call.targets.map(at));
    const names = call.want?.names;
    if (!names) continue;
    const isNamed = ({ name }: { readonly name: string }) => names.includes(name);
    found.push(...tasks.filter((one) => one !== task && (one.holds.some(isNamed) || one.permits.some(isNamed))));
  }
  if (task.phase.state === "parked" && task.phase.on === "children") {
    found.push(...(families.get(task.n) ?? []));
  }
  return found.filter(isLive);
}

/** The least fixpoint of [O3]. */
function effectiveLevels(tasks: readonly Task[], families = familiesOf(tasks)): Map<number, number> {
  const levels = new Map(tasks.map((task) => [task.n, task.priority]));
  const edges: (readonly [number, number])[] = [];
  for (const task of tasks)
    if (isLive(task)) for (const one of waitsOf(task, tasks, families)) edges.push([task.n, one.n]);
  for (let changed = true; changed; ) {
    changed = false;
    for (const [waiter, provider] of edges) {
      if (levels.get(provider)! >= levels.get(waiter)!) continue;
      levels.set(provider, levels.get(waiter)!);
      changed = true;
    }
  }
  return levels;
}

type Waiting = Extract<Call, { state: "waiting" }>;

/**
 * Whether what live tasks wait for is free of cycles, waits of mode any, with a timeout and for permits aside: to act again a
 * task needs the ends of those that it awaits and the acts of a lock's holders; to end, its own act and its children's ends.
 */
function isAcyclic(tasks: readonly Task[], families = familiesOf(tasks)): boolean {
  const at = (n: number) => tasks[n - 1]!;
  const done = new Set<number>();
  const open = new Set<number>();
  const visit = (task: Task, act: boolean): boolean => {
    const key = 2 * task.n + (act ? 1 : 0);
    if (done.has(key) || !isLive(task)) return true;
    if (open.has(key)) return false;
    open.add(key);
    const fine = act ? canAct(task) : canEnd(task);
    open.delete(key);
    done.add(key);
    return fine;
  };
  const ends = (one: Task) => visit(one, false);
  const canEnd = (task: Task): boolean => {
    const isDone = task.phase.state === "parked" && task.phase.on === "children";
    return (isDone || visit(task, true)) && (families.get(task.n) ?? []).every(ends);
  };
  const canAct = (task: Task): boolean => {
    const { phase } = task;
    if (phase.state === "waiting" && phase.pending > 0 && !task.after.map(at).every(ends)) return false;
    const waits = task.calls.filter((call): call is Waiting => call.state === "waiting");
    for (const call of waits)
      if (!call.want && call.mode !== "any" && call.until === 0 && !call.targets.map(at).every(ends)) return false;
    const names = waits.flatMap(({ want }) => (want?.kind === "lock" ? want.names : []));
    if (names.length === 0) return true;
    const holders = tasks.filter((one) => one !== task && one.holds.some(({ name }) => names.includes(name)));
    return holders.every((one) => visit(one, true));
  };
  return tasks.every((task) => visit(task, false));
}

function dueOf(task: Task): number {
  let due = Number.POSITIVE_INFINITY;
  const at = (time: number) => {
    due = Math.min(due, time);
  };
  const { phase } = task;
  if (isEnded(task)) return due;
  if (task.clockAt > 0) at(task.clockAt + task.timeoutMs);
  if (phase.state === "running") at(phase.expiresAt);
  if (phase.state === "waiting" && phase.until > 0) at(phase.until);
  for (const { until } of task.holds) if (until > 0) at(until);
  for (const call of task.calls) {
    if (call.state !== "waiting") continue;
    if (call.until > 0) at(call.until);
    const remote = call.remote?.phase;
    if (remote?.state === "running") at(remote.expiresAt);
    if (remote?.state === "waiting") at(remote.until);
  }
  return due;
}

function sameNumbers(some: Iterable<number>, others: Iterable<number>): boolean {
  const [one, other] = [[...some], [...others]];
  if (one.length !== other.length) return false;
  one.sort((a, b) => a - b);
  other.sort((a, b) => a - b);
  return one.every((n, i) => n === other[i]);
}

/** Throws at the first rule that does not hold. */
export function checkState(state: RunState, now: number): void {
  const { header } = state;
  const tasks = allTasks(state);
  const at = (n: number) => tasks[n - 1]!;
  const must = (fine: boolean, what: string) => {
    if (!fine) throw new Error(`does not hold: ${what}`);
  };

  const counts = noCounts();
  for (const task of tasks) counts[task.phase.state]++;
  if (!isDeepStrictEqual(counts, header.counts))
    must(false, `counts ${JSON.stringify(header.counts)} are ${JSON.stringify(counts)}`);
  const running = tasks.filter((task) => task.phase.state === "running");
  must(state.working === running.filter(({ phase }) => phase.state === "running" && !phase.blocked).length, "working");
  const seated = running.filter(
    ({ pool, phase }) => pool === hostedPool && phase.state === "running" && !phase.blocked,
  );
  must(state.hosted === seated.length, "hosted");
  const fences = running.map(({ phase }) => (phase.state === "running" ? phase.fence : 0));
  must(new Set(fences).size === fences.length && Math.max(0, ...fences) <= header.lastFence, "fences");
  must(
    header.unhandled === tasks.filter((task) => task.phase.state === "failed" && !task.observed).length,
    "unhandled",
  );
  must(isStalled(state) === (openStall(state) !== undefined), "a stall that is said to be open has waits");
  must(header.reservedTokens === tasks.reduce((sum, task) => sum + task.reserved, 0), "[B3] reserved sum");
  must(
    tasks.every((task) => task.reserved === 0 || task.phase.state === "running"),
    "[B3] only running tasks reserve",
  );
  const sumOf = (of: (task: Task) => number) => tasks.reduce((sum, task) => sum + of(task), 0);
  must((header.reservedNanos ?? 0) === sumOf((task) => task.reservedNanos), "[B4] reserved money");
  must(
    tasks.every((task) => task.reservedNanos === 0 || task.phase.state === "running"),
    "[B4] only running tasks reserve money",
  );
  must((header.nanos ?? 0) === sumOf((task) => task.nanos), "[B5] money");
  must((header.unpricedTokens ?? 0) === sumOf((task) => task.unpricedTokens), "[B5] tokens without a price");
  must(
    header.inputTokens + header.outputTokens ===
      tasks.reduce((sum, one) => sum + one.inputTokens + one.outputTokens, 0),
    "tokens",
  );
  if (header.status !== "active" && header.status !== "paused")
    must(tasks.every(isEnded), "an ended run has no live task");

  const tree = new Map<number, { tokens: number; reserved: number }>(
    tasks.map((one) => [one.n, { tokens: 0, reserved: 0 }]),
  );
  const families = familiesOf(tasks);
  for (const task of tasks) {
    // [Z4] What stands in for a task has tokens of its own.
    const above = ({ parent, scope }: Task) => (scope?.standsIn ? at(parent).parent : parent);
    for (let one: Task | undefined = task; one; one = above(one) > 0 ? at(above(one)) : undefined) {
      const sums = tree.get(one.n)!;
      sums.tokens += task.inputTokens + task.outputTokens;
      sums.reserved += task.reserved;
    }
  }
  // Sessions hold and wait too; they stand behind the tasks, whose places are their numbers.
  const parties = [...tasks, ...Array.from(state.actors, (n) => state.task(n))];
  const levels = effectiveLevels(parties, families);
  for (const task of tasks) {
    // The words are put together where they are needed: this is asked after every command.
    const mustOf = (fine: boolean, rule: string, what?: () => string) => {
      if (!fine) must(false, `${rule} of task ${task.n} (${task.phase.state})${what ? `: ${what()}` : ""}`);
    };
    const mine = families.get(task.n) ?? [];
    mustOf(task.liveChildren === mine.filter(isLive).length, "[T1] liveChildren");
    mustOf(
      task.childrenFailed === mine.filter((one) => one.phase.state === "failed" && !one.observed).length,
      "[T4] childrenFailed",
    );
    mustOf(
      mine.every((one) => task.children.includes(one.n)),
      "children",
    );
    mustOf(tree.get(task.n)!.tokens === task.treeTokens, "treeTokens");
    mustOf(tree.get(task.n)!.reserved === task.treeReserved, "treeReserved");
    mustOf(
      task.after.every((n) => at(n).dependents.includes(task.n)),
      "dependents",
    );
    if (isEnded(task)) {
      mustOf(task.calls.length === 0, "[W7] calls");
      // A retried child may outlive its parent's end: only that brings one back.
      if (task.phase.state !== "succeeded")
        mustOf(
          mine.every((one) => isEnded(one) || one.generation > 1),
          "[T2] children",
        );
      continue;
    }
    mustOf(
      levels.get(task.n) === task.effective,
      "[O3] effective",
      () => `${task.effective}, not ${levels.get(task.n)}`,
    );
    const { phase } = task;
    const unmet = task.after.filter((n) => !accepts(task, at(n)));
    mustOf(
      phase.state !== "ready" || task.head !== undefined || unmet.length === 0,
      "[R4] nothing starts over too early",
    );
    if (phase.state === "waiting" && phase.until === 0) {
      mustOf(
        phase.pending === unmet.length && unmet.length > 0,
        "[D1] pending",
        () => `${phase.pending}, not ${unmet.length}`,
      );
      mustOf(
        unmet.every((n) => isLive(at(n))),
        "[D2] dependencies of a waiting task",
      );
    }
    if (phase.state === "ready" && task.clockAt === 0 && task.head === undefined)
      mustOf(unmet.length === 0, "[D1] dependencies");
    if (phase.state === "parked" && phase.on === "calls")
      mustOf(
        task.calls.some((call) => call.state === "waiting"),
        "[W2] calls",
      );
    if (phase.state === "parked" && phase.on === "children") mustOf(task.liveChildren > 0, "[T1] parked");
    if (hasFallenBack(task))
      mustOf(
        mine.filter(isLive).every((one) => isStandIn(one) || one.generation > 1),
        "[Z1] only its fallback is left, and what was retried",
      );
    for (const call of task.calls) {
      if (call.state !== "waiting") continue;
      for (const n of call.targets) mustOf(at(n).awaiters.includes(task.n), "awaiters");
    }
  }
  const asking = tasks.flatMap(({ calls }) =>
    calls.flatMap((call) =>
      call.state === "waiting" && call.want && "external" in call.want && call.want.external ? [call.seq] : [],
    ),
  );
  must(sameNumbers(state.blocking.asked.keys(), asking), "[QU1] waits for somebody outside");
  checkGroups(tasks);
  // A rule that came later may leave less than there is: that refuses new ones.
  if (!header.rules)
    must(header.taskCount + (header.standIns ?? 0) <= header.limits.tasks, "[Z5] room for stand-ins is kept");
  must(isAcyclic(parties, families), "[C4] no cycle of waits");
  for (const { task, where } of unmoved(state)) must(false, `[U1] something moves task ${task} (${where})`);
  checkIndexes(state, tasks, now);
  checkOpenCalls(state, parties, now);
}

/** [J1] A group's counts, and what follows from its verdict, against its members. */
function checkGroups(tasks: readonly Task[]): void {
  for (const lead of tasks) {
    const group = lead.scope?.leads;
    if (!group) continue;
    const members = group.members.map((n) => tasks[n - 1]!);
    const ended = members.filter(isEnded);
    const succeeded = ended.filter(({ phase }) => phase.state === "succeeded");
    const must = (fine: boolean, what: string) => {
      if (!fine) throw new Error(`does not hold: ${what} of group ${lead.n} ${JSON.stringify(group)}`);
    };
    must(group.ended === ended.length && group.succeeded === succeeded.length, "[J1] counts");
    must(
      members.every(({ scope }) => scope?.group === lead.n),
      "[C7] members",
    );
    for (const member of members) {
      const standIns = member.children.map((n) => tasks[n - 1]!).filter(isStandIn);
      must(standIns.length <= 1, "[Z1] one stand-in");
      const undone = standIns.some(({ scope }) => scope?.standsIn?.why === "compensation");
      must(!undone || group.told === "failed", "[Z3] only what failed is undone");
    }
  }
}

/** [M1] [M3] The index of open calls against the calls themselves. */
function checkOpenCalls(state: RunState, parties: readonly Task[], now: number): void {
  const must = (fine: boolean, what: string) => {
    if (!fine) throw new Error(`does not hold: ${what}`);
  };
  const open = parties.flatMap((task) => task.calls.filter(isOpenCall).map((call) => ({ task, call })));
  must(state.openCalls.size === open.length, `[M1] ${state.openCalls.size} open calls are ${open.length}`);
  must(
    open.every(({ task, call }) => isLive(task) && call.until > 0 && findCall(state, call.seq)?.call === call),
    "[M1] each open call is found",
  );
  const fences = open.flatMap(({ call: { remote } }) => (remote.phase.state === "running" ? [remote.phase.fence] : []));
  must(new Set(fences).size === fences.length && Math.max(0, ...fences) <= state.header.lastFence, "[M3] fences");
  const urls = open.filter(({ call: { remote } }) => remote.pool === "" && remote.phase.state === "running");
  must(state.openCalls.urlsRunning === urls.length, "running urls");
  for (const pool of new Set(open.map(({ call }) => call.remote.pool))) {
    const ready = open.flatMap(({ task, call }) => {
      const key = call.remote.pool === pool ? readyKeyOfCall(task, call) : undefined;
      return key ? [{ seq: call.seq, key }] : [];
    });
    ready.sort((a, b) => compareReady(a.key, b.key, now));
    must(state.openCalls.readyIn(pool) === ready.length, `ready calls of ${pool}`);
    must(state.openCalls.first(pool, now)?.seq === ready[0]?.seq, `[M2] first call of ${pool}`);
  }
}

/** [H1] from the lineages alone. */
function isHeld({ header }: RunState, task: Task): boolean {
  if (task.pool !== "hosted" || task.window) return false;
  const lineage = header.lineages?.find(({ n }) => n === task.lineage);
  return lineage !== undefined && lineage.warmer > 0;
}

/** [H1] [H2] */
function checkHolds(state: RunState, tasks: readonly Task[]): number {
  let until = Number.POSITIVE_INFINITY;
  const warming = (state.header.lineages ?? []).filter(({ warmer }) => warmer > 0);
  if (
    !sameNumbers(
      warming.map(({ n }) => n),
      state.warming,
    )
  )
    throw new Error("[H1] lineages whose tasks are held");
  for (const { warmer, warmerFence, holdUntil, n } of warming) {
    const { phase } = tasks[warmer - 1]!;
    if (phase.state !== "running" || phase.fence !== warmerFence) throw new Error(`[H4] held for task ${warmer}`);
    if (tasks[warmer - 1]!.lineage !== n) throw new Error("[H1] a first reader of another lineage");
    until = Math.min(until, holdUntil);
  }
  for (const task of tasks)
    if (state.isHeld(task) !== (task.phase.state === "ready" && isHeld(state, task)))
      throw new Error(`[H1] task ${task.n} held`);
  return until;
}

/** [F2] What the rules come to is what header and tasks say. */
function checkBook(state: RunState, tasks: readonly Task[]): void {
  const { header, book } = state;
  if ((header.rules === undefined) !== (book === undefined)) throw new Error("[F1] rules without a book");
  if (!header.rules || !book) return;
  const { given, rules } = header.rules;
  if (!isDeepStrictEqual(header.limits, limitsUnder(header, given, rules))) throw new Error("[F1] limits under rules");
  const fresh = new RuleBook(header);
  const working = tasks.filter(({ phase }) => phase.state === "running" && !phase.blocked);
  for (const task of working) fresh.count(task, 1);
  const roomsOf = (one: RuleBook) => [
    one.workers,
    tasks.map((task) => [one.roomOf(one.labelsOf(task)), one.roomIn(task.pool)]),
  ];
  if (!isDeepStrictEqual(roomsOf(book), roomsOf(fresh))) throw new Error("[F2] room of labels and pools");
}

function checkIndexes(state: RunState, tasks: readonly Task[], now: number): void {
  const pools = new Set([...state.ready.keys(), ...tasks.map((task) => task.pool)]);
  for (const pool of pools) {
    const ready = tasks.filter((task) => task.pool === pool && task.phase.state === "ready" && !isHeld(state, task));
    const keys = ready.map((task) => {
      const { phase } = task;
      if (phase.state !== "ready") throw new Error("unreachable");
      return {
        n: task.n,
        effective: task.effective,
        since: phase.since,
        resumed: phase.resumed,
        chain: task.chain,
        seq: phase.seq,
      };
    });
    keys.sort((a, b) => compareReady(a, b, now));
    const queue = state.ready.get(pool);
    if ((queue?.size ?? 0) !== keys.length) throw new Error(`queue of ${pool}: ${queue?.size}, not ${keys.length}`);
    if (queue?.peek(now) !== keys[0]?.n)
      throw new Error(`[O1] first of ${pool}: ${queue?.peek(now)}, not ${keys[0]?.n}`);
  }
  if (state.header.status === "active" && isSpent(state) && readyForWorkers(state, now))
    throw new Error("[B8] a task is ready for a pull worker of an active run whose budget is used up");
  const parked = tasks
    .filter((task) => task.phase.state === "parked" && task.phase.on === "budget")
    .map((task) => task.n);
  if (!sameNumbers(state.budgetQueue, parked)) throw new Error("budget queue");
  const sessions = Array.from(state.actors, (n) => state.task(n));
  const due = Math.min(
    ...[...tasks, ...sessions].map(dueOf),
    stallEndAt(state) ?? Number.POSITIVE_INFINITY,
    exhaustionAt(state) ?? Number.POSITIVE_INFINITY,
    checkHolds(state, tasks),
    // As the last command has said: a state that is only folded has not looked.
    state.book?.dueAt ?? Number.POSITIVE_INFINITY,
    availabilityDueAt(state) ?? Number.POSITIVE_INFINITY,
  );
  for (const { name, inFlight } of state.availability.look()) {
    const working = tasks.filter(({ pool, model, phase }) => pool === "hosted" && model === name && isWorking(phase));
    if (working.length !== inFlight) throw new Error(`${inFlight} under way of ${name}, not ${working.length}`);
  }
  checkBook(state, tasks);
  const { header } = state;
  const isIdle =
    tasks.every(isEnded) && header.root === 0 && (header.status === "active" || header.status === "paused");
  const clock = Math.min(due, isIdle ? header.changedAt + runIdleMs : Number.POSITIVE_INFINITY);
  if ((nextClock(state) ?? Number.POSITIVE_INFINITY) !== clock)
    throw new Error(`[L7] ${nextClock(state)}, not ${clock}`);
}

const isWorking = (phase: Task["phase"]): boolean => phase.state === "running" && !phase.blocked;

/** A state as plain data; renewals of leases are not logged and stay out. */
function plain(state: RunState): unknown {
  const tasks = allTasks(state).map((task) => {
    const { phase } = task;
    const calls = task.calls.map((call) =>
      isOpenCall(call) && call.remote.phase.state === "running"
        ? { ...call, remote: { ...call.remote, phase: { ...call.remote.phase, expiresAt: 0 } } }
        : call,
    );
    return { ...plainTask(task), calls, ...(phase.state === "running" && { phase: { ...phase, expiresAt: 0 } }) };
  });
  const keys = [...state.keys]
    .map(([creator, names]) => [creator, [...names].sort()] as const)
    .sort((a, b) => a[0] - b[0]);
  return { header: state.header, tasks, keys: keys.filter(([, names]) => names.length > 0), working: state.working };
}

/** [G1] */
export function expectSame(live: RunState, rebuilt: RunState): void {
  deepStrictEqual(plain(rebuilt), plain(live));
}
