/**
 * Random plans for the property of liveness: tasks that wait for one another in every way there is, whose replies have several calls,
 * and what befalls them: cancelled, retried, lost by their workers, late. Each word of the core that a wait can't end is held against
 * `Play` at the moment at which it is said, and each state between two acts against it, too.
 */

import fc from "fast-check";
import { expect } from "vitest";
import { endActor, isLiveActor, openActor } from "../../src/scheduler/actors.ts";
import { arrive } from "../../src/scheduler/barriers.ts";
import { reserveTokens } from "../../src/scheduler/budget.ts";
import { nextClock } from "../../src/scheduler/clock.ts";
import { createTasks } from "../../src/scheduler/create-tasks.ts";
import type { SchedulerEvent } from "../../src/scheduler/events.ts";
import { finishStep } from "../../src/scheduler/finish-step.ts";
import { awaitFutures, settleFuture } from "../../src/scheduler/futures.ts";
import { acquire, releaseLock, tryAcquire } from "../../src/scheduler/locks.ts";
import { createQueue, pop, push } from "../../src/scheduler/message-queues.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import { acquirePermits, createSemaphore, releasePermits } from "../../src/scheduler/semaphores.ts";
import { Step } from "../../src/scheduler/step.ts";
import { type Call, isEnded, isLive, isWorking, type Task } from "../../src/scheduler/task.ts";
import type { Begun, MessagesAt, WaitOutcome } from "../../src/scheduler/wait-outcome.ts";
import { beginAwait } from "../../src/scheduler/waits.ts";
import { isExternal } from "../../src/scheduler/want.ts";
import { mayAct, waits } from "./blocking.ts";
import { allTasks, checkState } from "./check.ts";
import { type How, Play } from "./could-end.ts";
import { PlanRun } from "./plans.ts";
import { type Leased, newTaskOf, numberOf, type Spec } from "./run.ts";

/** One of `n` times. */
const oneIn = (n: number) => fc.nat(n - 1).map((i) => i === 0);

const op = fc.record({
  what: fc.constantFrom(
    ...(["lock", "lock", "lock", "locks", "shared", "permits", "permits", "known", "known", "unknown"] as const),
    ...(["pop", "pop", "push", "future", "all", "all", "any", "any", "settled"] as const),
    ...(["unlock", "unlock", "unpermit", "try", "resolve", "child", "child"] as const),
  ),
  name: fc.nat(2),
  x: fc.nat(120),
  timed: oneIn(6),
  external: oneIn(6),
});

type Op = typeof op extends fc.Arbitrary<infer One> ? One : never;

const act = fc.oneof(
  {
    weight: 48,
    arbitrary: fc.record({
      kind: fc.constant("reply" as const),
      of: fc.nat(60),
      ops: fc.array(op, { minLength: 1, maxLength: 3 }),
      /** After how many of them another command may come; then the rest is carried out by `rest`. */
      split: fc.option(fc.nat(2), { freq: 3 }),
    }),
  },
  {
    weight: 24,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        ...(["start", "rest", "rest", "rest", "rest", "park", "park", "turn", "turn", "complete", "complete"] as const),
        ...(["fail", "backOff", "lose", "lose", "cancel", "retry", "clock", "open", "close"] as const),
        ...(["budget", "bring", "late"] as const),
      ),
      of: fc.nat(60),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("post" as const), of: fc.nat(60), op }) },
);

type Act = typeof act extends fc.Arbitrary<infer One> ? One : never;

export const livenessPlans = fc.record({
  /** Of each task at the beginning: after an earlier one, in which pool, with a fallback. */
  tasks: fc.array(
    fc.record({ after: fc.option(fc.nat(), { freq: 2 }), pulled: oneIn(4), standIn: oneIn(5), priority: fc.nat(3) }),
    { minLength: 2, maxLength: 5, size: "max" },
  ),
  acts: fc.array(act, { minLength: 10, maxLength: 60, size: "max" }),
  root: oneIn(2),
  holdMs: fc.constantFrom(0, 0, 0, 4000),
});

type Plan = typeof livenessPlans extends fc.Arbitrary<infer One> ? One : never;

const timeMs = 1500;
const cycles: How = { outside: true, lockTimes: false };
const stalls: How = { outside: false, lockTimes: true };
type Finding = Extract<SchedulerEvent, { type: "finding" }>;
type Done = Extract<SchedulerEvent, { type: "call_done" }>;
type WaitingCall = Extract<Call, { state: "waiting" }>;

class WatchedStep extends Step {
  look: (event: SchedulerEvent, body: unknown, causes: readonly number[]) => void = () => undefined;

  override emit(event: SchedulerEvent, body?: unknown, causes: readonly number[] = []): number {
    this.look(event, body, causes);
    return super.emit(event, body, causes);
  }
}

const must = (fine: boolean, what: string) => {
  if (!fine) throw new Error(`does not hold: ${what}`);
};

export class LivenessRun extends PlanRun {
  /** How often each was seen: a plan that never comes to something shows nothing of it. */
  readonly #seen: Record<string, number>;
  readonly #rests = new Map<number, { readonly fence: number; readonly ops: readonly Op[] }>();
  /** What the core held for stuck when it told of it, by the number of the finding. */
  readonly #told = new Map<number, { readonly finding: Finding; readonly cycles: Play; readonly stalls: Play }>();
  #calls = 0;

  constructor({ tasks, root, holdMs }: Pick<Plan, "tasks" | "root" | "holdMs">, seen: Record<string, number>) {
    super({ workers: 100, stallMs: 3000, holdMs, tokens: 1000, pools: ["box"], tasks: 60, depth: 6 });
    this.#seen = seen;
    this.step((step) => {
      for (const [i, permits] of [2, 2, 3].entries()) createSemaphore(step, `s${i}`, permits);
      for (const i of [0, 1, 2]) createQueue(step, `q${i}`, 1 + (i % 2));
    });
    for (const [i, { after, pulled, standIn, priority }] of tasks.entries()) {
      const spec: Spec = {
        priority,
        ...(i > 0 && { detached: true }),
        ...(after !== null && i > 0 && { after: [`T${1 + (after % i)}`] }),
        ...(pulled && { pool: "box" }),
        ...(standIn && { on_failure: { task: { instructions: "else" } } }),
      };
      if (i === 0 && root) this.root(spec);
      else this.post(spec);
    }
  }

  override step<T>(decide: (step: Step) => T): T {
    const step = new WatchedStep(this.state, this.now);
    step.look = (event, body, causes) => {
      // The first step is the base class's.
      if (#told in this) this.#look(event, body, causes);
    };
    const answer = decide(step);
    finishStep(step);
    for (const one of step.decided) this.log.push({ ...one, at: this.now });
    return answer;
  }

  #count(what: string): void {
    this.#seen[what] = (this.#seen[what] ?? 0) + 1;
  }

  /** Before the event is applied. */
  #look(event: SchedulerEvent, body: unknown, causes: readonly number[]): void {
    const { state } = this;
    if (event.type === "finding" && event.kind === "deadlock") this.#lookAtFinding(event);
    if (event.type === "call_done") this.#lookAtDone(event, body, causes);
    if (event.type === "task_ended" && event.error?.message.includes("by now waits for it")) {
      this.#count("late dependency");
      const play = new Play(state, { ...cycles, held: event.task });
      must(!state.task(event.task).after.every((n) => play.over.has(n)), `[R4] task ${event.task} waits for itself`);
    }
  }

  #lookAtFinding(finding: Finding): void {
    const { state } = this;
    const plays = { cycles: new Play(state, cycles), stalls: new Play(state, stalls) };
    this.#told.set(state.header.seq + 1, { finding, ...plays });
  }

  #lookAtDone({ task: n, call: id, why }: Done, body: unknown, causes: readonly number[]): void {
    const task = this.state.task(n);
    const call = task.calls.find((one): one is WaitingCall => one.id === id && one.state === "waiting");
    if (!call) return;
    const { wait } = (body ?? {}) as { wait?: WaitOutcome };
    if (why === "deadlock") {
      const told = this.#told.get(causes[0]!);
      const isStall = wait?.kind === "deadlock_victim" && wait.stall === true;
      this.#count(told ? (isStall ? "stall" : "cycle") : "await given up");
      const play = told ? (isStall ? told.stalls : told.cycles) : new Play(this.state, cycles);
      must(!play.ends(call.seq), `the wait ${n}:${id} that is ended could not end`);
      if (told && this.state.header.seq === causes[0]) this.#checkVictim(task, told.finding, play);
    }
    const { want } = call;
    if (why !== "settled" || !want || want.kind === "barrier" || want.kind === "future") return;
    for (const one of [...allTasks(this.state), ...Array.from(this.state.actors, (actor) => this.state.task(actor))])
      for (const other of one.calls)
        if (other.state === "waiting" && other.want?.kind === want.kind && other.seq < call.seq)
          must(
            !other.want.names.some((name) => (want.names as readonly string[]).includes(name)),
            `[K1] [S2] [Q1] ${n}:${id} does not overtake ${one.n}:${other.id}`,
          );
  }

  /** Of those who are named and wait in calls for ever, the cheapest. */
  #checkVictim(victim: Task, { subjects }: Finding, play: Play): void {
    const tokens = (task: Task) => task.inputTokens + task.outputTokens;
    const [cheapest] = subjects
      .map((n) => this.state.task(n))
      .filter(({ calls }) => calls.some((call) => call.state === "waiting" && !isAsked(call) && !play.ends(call.seq)))
      .sort((a, b) => a.priority - b.priority || tokens(a) - tokens(b) || b.n - a.n);
    must(victim === cheapest && subjects[0] === victim.n, `of ${subjects} the victim is ${cheapest?.n}`);
  }

  /** Whoever is in the middle of a reply goes on with it first. */
  isReplying = (task: Task): boolean => {
    const rest = this.#rests.get(task.n);
    return rest !== undefined && task.phase.state === "running" && (task.phase.fence === rest.fence || task.callsLeft);
  };

  take(one: Act): boolean {
    const { kind, of } = one;
    const live = allTasks(this.state).filter(isLive);
    const among = (tasks: readonly Task[]): Task | undefined => tasks[of % Math.max(1, tasks.length)];
    const running = live.filter((task): task is Leased => task.phase.state === "running");
    const free = running.filter((task) => mayAct(task) && !this.isReplying(task));
    const sessions = Array.from(this.state.actors, (n) => this.state.task(n)).filter(isLiveActor);
    const whole = running.filter((task) => !this.isReplying(task));
    switch (kind) {
      case "reply": {
        const few = (task: Task) => task.calls.filter(({ state }) => state === "waiting").length < 2;
        const pulled = running.filter((task) => task.pool === "box" && waits(task));
        const ready = live.filter(({ phase }) => phase.state === "ready");
        const task = among([...free, ...ready, ...pulled, ...sessions].filter(few));
        if (!task) return false;
        if (task.phase.state === "ready") this.start(task);
        // An attempt goes on with the reply that is there.
        if ((waits(task) || this.isReplying(task)) && task.pool === "hosted") return true;
        // A hosted task's reply is in the log before its calls.
        const isSplit = one.split !== null && one.split < one.ops.length;
        if (task.pool === "hosted" && task.n > 0) this.turn(task, of % 3, isSplit);
        this.#reply(task, one.ops, task.pool === "hosted" ? one.split : null);
        return true;
      }
      case "rest": {
        const task = among(running.filter(this.isReplying)) as Leased | undefined;
        if (task) this.#replyRest(task);
        return task !== undefined;
      }
      case "post":
        this.#create(undefined, one.op);
        return true;
      case "start": {
        const task = among(live.filter(({ phase }) => phase.state === "ready"));
        if (task) this.start(task);
        return task !== undefined;
      }
      case "park": {
        const task = among(whole.filter((one) => one.pool === "hosted" && waits(one)));
        if (task) this.giveBack(task);
        return task !== undefined;
      }
      case "turn":
      case "complete": {
        const task = among(free);
        if (task) this[kind](task);
        return task !== undefined;
      }
      case "fail":
      case "backOff":
      case "lose": {
        const task = among(kind === "lose" ? running : whole);
        if (!task) return false;
        if (kind === "fail") this.fail(task);
        else if (kind === "lose") this.lose(task);
        else this.failTransiently(task);
        return true;
      }
      case "cancel": {
        const task = among(live);
        if (task) this.cancel(task);
        return task !== undefined;
      }
      case "retry": {
        const task = among(allTasks(this.state).filter(isEnded));
        if (task) this.#retry(task, of);
        return task !== undefined;
      }
      case "clock":
        this.clock([400, timeMs, 3000, 31_000][of % 4]!);
        return true;
      case "open":
        if (sessions.length < 2) this.step((step) => openActor(step, 60_000, "outside"));
        return sessions.length < 2;
      case "close": {
        const session = sessions[of % Math.max(1, sessions.length)];
        if (session) this.step((step) => endActor(step, session, "closed"));
        return session !== undefined;
      }
      case "budget": {
        const task = among(free.filter(({ pool }) => pool === "hosted")) as Leased | undefined;
        if (task) this.step((step) => reserveTokens(step, task, { inputTokens: 10, outputTokens: 600 }));
        return task !== undefined;
      }
      case "bring":
        this.state.outsideAt = this.now;
        this.step((step) =>
          of % 2 === 0
            ? push(step, { task: undefined, call: "", until: 0 }, `q${of % 3}`, { messages: [of], sizes: [1] })
            : settleFuture(step, `f${of % 5}`, { task: undefined, state: "resolved", value: of }),
        );
        return true;
      default:
        return this.#late(of);
    }
  }

  /** What had been held is let go of again, by whoever had it: nothing comes of it. */
  #late(of: number): boolean {
    const released = this.events("lock_released").filter(({ task }) => this.state.live(task));
    const one = released[of % Math.max(1, released.length)];
    if (!one) return false;
    const { length } = this.log;
    const answer = this.step((step) => releaseLock(step, this.state.task(one.task), one.name, one.token));
    must(answer?.kind === "not_holder" && this.log.length === length, "[K2] a token is good for one hold");
    this.#count("late release");
    return true;
  }

  #retry(task: Task, of: number): void {
    const turn = 1 + (of % (task.turns + 1));
    const point = turn <= task.turns ? this.pointOf(task, turn) : undefined;
    const refusal = this.step((step) => retryTask(step, task, { point, pointsOf: () => new Map() }));
    this.#count(refusal ? `retry: ${refusal.code}` : point ? "retry from a turn" : "retry");
  }

  #reply(task: Task, ops: readonly Op[], split: number | null): void {
    const now = split === null ? ops : ops.slice(0, split);
    const rest = ops.slice(now.length);
    this.step((step) => {
      for (const one of now) this.#do(step, task, one);
      if (task.n < 0) return;
      this.state.blocking.setUnfinished(task, rest.length > 0);
      if (rest.length > 0 && task.phase.state === "running")
        this.#rests.set(task.n, { fence: task.phase.fence, ops: rest });
    });
  }

  /** What is left of the reply, by the attempt that began it or by the next one. */
  #replyRest(task: Leased): void {
    const { ops, fence } = this.#rests.get(task.n)!;
    if (fence !== task.phase.fence && waits(task)) this.#count("reply over two attempts");
    this.#rests.delete(task.n);
    this.#reply(task, ops, null);
  }

  #do(step: Step, task: Task, { what, name, x, timed, external }: Op): void {
    const { state } = this;
    const call = `c${++this.#calls}`;
    const until = timed ? this.now + timeMs : 0;
    const caller = { task, call, until };
    const lock = `l${name}`;
    let begun: Begun | undefined;
    switch (what) {
      case "lock":
      case "shared":
        begun = acquire(step, task, { call, names: [lock], mode: what === "lock" ? "exclusive" : what, until });
        break;
      case "locks":
        begun = acquire(step, task, { call, names: [`l${name >> 1}`, "l2"], mode: "exclusive", until });
        break;
      case "permits":
        begun = acquirePermits(step, task, { call, name: `s${name}`, permits: 1 + (x % 2), until });
        break;
      case "known": {
        const members = name === 0 ? [1, 2] : [1, 2, 3].filter((n) => state.find(n));
        if (!members.includes(task.n)) return;
        const parties = name === 1 ? members.length : 2;
        begun = arrive(step, task, { call, name: `b${name}`, parties, members, until });
        break;
      }
      case "unknown": {
        const members = x % 2 === 0 ? [] : [1];
        begun = arrive(step, task, { call, name: `u${name}`, parties: 2 + (x % 2), members, until });
        break;
      }
      case "pop":
        begun = pop(step, caller, `q${name}`, { max: 1 + (x % 2), external });
        break;
      case "push": {
        const messages = x % 3 === 0 && name === 1 ? [x, x] : [x];
        begun = push(step, caller, `q${name}`, { messages, sizes: messages.map(() => 1) });
        break;
      }
      case "future": {
        const names = [...new Set([`f${name}`, `f${x % 5}`])];
        const mode = (["all", "any", "settled"] as const)[x % 3]!;
        begun = awaitFutures(step, task, { call, names, mode, one: false, until, external });
        break;
      }
      case "all":
      case "any":
      case "settled":
        this.#await(step, task, { id: call, until, mode: what, x });
        return;
      case "unlock":
        if (task.holds.length > 0) releaseLock(step, task, task.holds[x % task.holds.length]!.name);
        return;
      case "unpermit":
        if (task.permits.length > 0) releasePermits(step, task, task.permits[x % task.permits.length]!.name, 1);
        return;
      case "try":
        tryAcquire(step, task, lock, "exclusive");
        return;
      case "resolve":
        settleFuture(step, `f${x % 5}`, { task, state: x % 2 === 0 ? "resolved" : "rejected", value: x });
        return;
      default:
        if (task.n > 0 && task.phase.state === "running") this.#create(task, { what, name, x, timed, external }, step);
        return;
    }
    if (begun?.kind === "waits_for_itself") this.#count("waits for itself");
  }

  #await(
    step: Step,
    task: Task,
    { id, until, mode, x }: { id: string; until: number; mode: "all" | "any" | "settled"; x: number },
  ): void {
    const { state } = this;
    const count = state.header.taskCount;
    const targets = [...new Set([1 + (x % count), 1 + ((x >> 3) % count)])].slice(0, mode === "settled" ? 1 : 2);
    const isAbove = (n: number): boolean => {
      for (let one: Task | undefined = task; one; one = state.find(one.parent)) if (one.n === n) return true;
      return false;
    };
    const play = new Play(state, { ...cycles, held: task.n });
    const outcome = beginAwait(step, task, { id, targets, mode, until });
    if (outcome.kind !== "would_deadlock" || targets.some(isAbove)) return;
    this.#count("would deadlock");
    const ended = targets.map((n) => state.task(n)).filter(isEnded);
    const isGood = ({ phase }: Task) => phase.state === "succeeded";
    const isOver = mode === "any" ? ended.some(isGood) : mode === "all" && !ended.every(isGood);
    must(!isOver, `[W1] ${task.n} waits for ${targets}, which is over`);
    must(
      !play.awaits(
        targets.filter((n) => state.live(n)),
        mode,
      ),
      `[W3] ${task.n} can't wait for ${targets}`,
    );
  }

  #create(creator: Task | undefined, { name, x, timed, external }: Op, within?: Step): void {
    const { state } = this;
    const count = state.header.taskCount;
    const after = name === 0 ? [] : [...new Set([1 + (x % count), 1 + ((x >> 3) % count)])].slice(0, name);
    const spec: Spec = {
      after: after.map((n) => `T${n}`),
      detached: timed || (creator === undefined && state.header.root > 0),
      ...(external && { on_failure: { task: { instructions: "else" } } }),
      ...(x % 5 === 0 && { on_dependency_failure: "run" as const }),
    };
    const endless = new Set<number>();
    for (
      let one = creator;
      one;
      one = one.parent > 0 && !one.detached && !one.keyFreed ? state.task(one.parent) : undefined
    )
      endless.add(one.n);
    const play = new Play(state, { ...cycles, endless });
    const batch = [newTaskOf({ instructions: "do it", ...spec })];
    const create = (step: Step) => createTasks(step, creator, batch, numberOf, {});
    const made = within ? create(within) : this.step(create);
    if (made.ok || made.refusal.code !== "dependency_cycle") return;
    this.#count("dependency cycle");
    must(!after.every((n) => play.over.has(n)), `[C4] a child of ${creator?.n} waits for ${after}, which wait for it`);
  }

  /** What must hold between any two acts. */
  override check(): void {
    const { state } = this;
    const { blocking } = state;
    const parties = [...allTasks(state), ...Array.from(state.actors, (n) => state.task(n))];
    for (const { n, holds, permits, calls } of parties.filter((task) => !isWorking(task)))
      must(holds.length + permits.length + calls.length === 0, `[B1] ${n} is done, and holds or waits`);
    for (const name of [0, 1, 2]) {
      const modes = parties.flatMap(({ holds }) =>
        holds.filter((one) => one.name === `l${name}`).map(({ mode }) => mode),
      );
      must(modes.length < 2 || !modes.includes("exclusive"), `[K1] l${name} is held by ${modes}`);
      const held = parties.flatMap(({ permits }) => permits.filter((one) => one.name === `s${name}`));
      const sum = held.reduce((all, { permits }) => all + permits, 0);
      must(sum <= blocking.factsOf(`s${name}`, "semaphore")!.permits, `[S1] ${sum} permits of s${name}`);
    }
    // In the midst of a reply, which the next attempt may have to go on with: that it has nothing left it says by parking.
    if (allTasks(state).some((task) => isLive(task) && blocking.isUnfinished(task))) return;
    checkState(state, this.now);
    if (state.header.status !== "active" && state.header.status !== "paused") return;
    const unseen = new Play(state, cycles).stuck();
    must(unseen.length === 0, `[B2] no wait of ${unseen} is left that can't end`);
    if (parties.some((task) => task.n > 0 && (task.phase.state === "ready" || mayAct(task)))) return;
    const silent = new Play(state, stalls).stuck();
    if (silent.length === 0) return;
    this.#count("told of a stall");
    must((state.header.stalledAt ?? 0) > 0, `[B3] of the stall of ${silent} it is told`);
  }

  /** Whoever can goes on to its end, and time passes; what somebody outside is asked for is given. All must end. */
  override drive(): void {
    for (let rounds = 0; this.state.liveCount() > 0; rounds++) {
      expect(rounds).toBeLessThan(400);
      const live = allTasks(this.state).filter(isLive);
      for (const task of live.filter(this.isReplying)) this.#replyRest(task as Leased);
      const free = live.find(mayAct);
      const ready = live.find(({ phase }) => phase.state === "ready");
      const poor = live.find(({ phase }) => phase.state === "parked" && phase.on === "budget");
      const [asked] = this.state.blocking.asked.values();
      const session = Array.from(this.state.actors, (n) => this.state.task(n)).find(isLiveActor);
      if (free) this.complete(free);
      else if (ready) this.start(ready);
      else if (poor) this.cancel(poor);
      else if (session) this.step((step) => endActor(step, session, "closed"));
      else {
        for (const one of live) if (one.pool === "hosted" && one.phase.state === "running") this.giveBack(one);
        const at = nextClock(this.state);
        if (at !== undefined && at - this.now < 60_000) this.clock(Math.max(0, at - this.now));
        else if (asked !== undefined) this.#answer(this.state.task(asked));
        else this.clock(Math.max(0, (at ?? this.now) - this.now));
      }
      this.check();
    }
    this.#checkMessages();
  }

  #answer(task: Task): void {
    const asks = task.calls.filter((call): call is WaitingCall => call.state === "waiting");
    for (const { want } of asks) {
      if (want?.kind === "pop")
        this.step((step) =>
          push(step, { task: undefined, call: "", until: 0 }, want.names[0], { messages: [0], sizes: [1] }),
        );
      if (want?.kind === "future")
        for (const name of want.names)
          this.step((step) => settleFuture(step, name, { task: undefined, state: "resolved", value: 0 }));
    }
  }

  /** Each message goes to one pop, in its order, or is left. */
  #checkMessages(): void {
    for (const name of ["q0", "q1", "q2"]) {
      const sent = this.log.flatMap(({ event, seq }) =>
        event.type === "messages_pushed" && event.name === name
          ? event.sizes.map((_, i) => `${event.from ?? seq}.${i}`)
          : [],
      );
      const taken: string[] = [];
      for (const { event, causes } of this.log) {
        if (event.type !== "messages_popped" || event.name !== name) continue;
        must(
          causes.every((seq) => sent.some((one) => one.startsWith(`${seq}.`))),
          "[Q1] what is popped was pushed",
        );
        taken.push(...sent.slice(taken.length, taken.length + event.count));
      }
      const facts = this.state.blocking.factsOf(name, "message_queue")!;
      const left = facts.parts.flatMap(({ seq, index, sizes }) => sizes.map((_, i) => `${seq}.${index + i}`));
      must([...taken, ...left].join() === sent.join(), `[Q1] of ${name} ${sent} are ${taken}, and left ${left}`);
    }
    const given = this.log.flatMap(({ body }) => {
      const { wait } = (body ?? {}) as { wait?: WaitOutcome };
      return wait?.kind === "popped" ? wait.messages.flatMap(placesOf) : [];
    });
    must(new Set(given).size === given.length, `[Q1] none of ${given} is given twice`);
  }
}

const isAsked = (call: WaitingCall): boolean => isExternal(call.want);

const placesOf = ({ seq, index, count }: MessagesAt): string[] =>
  Array.from({ length: count }, (_, i) => `${seq}.${index + i}`);
