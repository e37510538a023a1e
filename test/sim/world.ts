/**
 * A world around the real scheduler core, from one seed: an object that crashes, seats and pull workers that die, come
 * back late or say things twice, a clock that jumps, and people who cancel, retry, pause and post.
 *
 * Owns: chance, time, the network between workers and object, who works on what.
 * Does not own: any decision about tasks; those are the core's, and are checked after every command.
 */

import type { Groups } from "../../src/contract/task-spec.ts";
import { leaseMs } from "../../src/limits.ts";
import { costOf, type Price } from "../../src/prices/price.ts";
import { endActor, openActor } from "../../src/scheduler/actors.ts";
import { failAttempt, leased, nextToStart, openLease } from "../../src/scheduler/attempts.ts";
import {
  freeNanos,
  freeTokens,
  needsReservation,
  reserveTokens,
  settleBudget,
  spentTokens,
} from "../../src/scheduler/budget.ts";
import { noteBudgets } from "../../src/scheduler/budget-notes.ts";
import { endAttemptsOfOtherBoots, extendOverRestarts, nextClock, runClock } from "../../src/scheduler/clock.ts";
import { createTasks } from "../../src/scheduler/create-tasks.ts";
import { cancelTask, completeTask, endTask } from "../../src/scheduler/end-task.ts";
import { settle } from "../../src/scheduler/ending.ts";
import { finishStep } from "../../src/scheduler/finish-step.ts";
import { sendMessage } from "../../src/scheduler/inbox.ts";
import type { NewTask } from "../../src/scheduler/new-task.ts";
import { openAsks } from "../../src/scheduler/questions.ts";
import { type RetryFrom, retryTask } from "../../src/scheduler/retry.ts";
import { replaceRules, reportLoad } from "../../src/scheduler/rules/evaluate.ts";
import { cancelRun, changeBudget, finishRun, pauseRun, resumeRun } from "../../src/scheduler/run-commands.ts";
import { isRunEnded, type RunState } from "../../src/scheduler/state.ts";
import { Step } from "../../src/scheduler/step.ts";
import { isEnded, isLive, type Task } from "../../src/scheduler/task.ts";
import { TaskTurns } from "../../src/scheduler/turns.ts";
import { beginAwait } from "../../src/scheduler/waits.ts";
import { firstToken, isWarming } from "../../src/scheduler/warming.ts";
import { checkState, expectSame } from "../scheduler/check.ts";
import { type Leased, newTaskOf, numberOf, type Spec, usualLimits } from "../scheduler/run.ts";
import { History } from "./history.ts";
import { MemoryStore } from "./memory-store.ts";
import { QuestionWorld } from "./question-worlds.ts";
import { Random } from "./random.ts";
import { beginCall, RemoteHistory, RemoteWorkers } from "./remote-workers.ts";
import { RuleWorld } from "./rule-worlds.ts";
import { VariableHistory } from "./variable-history.ts";
import { checkWaits, useVariable } from "./variable-ops.ts";

const pools = ["hosted", "laptop"] as const;
const second = 1000;
const minute = 60 * second;

/** A dollar, and five for output, a million tokens. */
const price: Price = { input: 1_000_000, write: 1_250_000, read: 100_000, output: 5_000_000, cacheableFrom: 1024 };

/** A worker's hold on a task, as far as the worker knows. */
interface Attempt {
  readonly task: number;
  readonly fence: number;
  readonly hosted: boolean;
  /** Of the model call in flight. */
  reserved: number;
  messages: number;
}

/** A worker's call on its way: carried out at most once, whatever the network does to it. */
interface Message {
  readonly id: string;
  readonly task: number;
  readonly fence: number;
  readonly op: string;
  readonly act: (step: Step, task: Leased) => Reply;
}

type Reply = "go_on" | "over";
type NewSpec = Spec & { instructions: string };

export interface WorldOptions {
  readonly remoteTools?: boolean;
  readonly scopes?: boolean;
  readonly rules?: boolean;
  readonly questions?: boolean;
}

export class World {
  readonly random: Random;
  /** Chance of its own: messages move nothing, and a seed's story stays what it was before there were any. */
  readonly #chatter: Random;
  readonly #store = new MemoryStore();
  readonly #history = new History();
  readonly #variables = new VariableHistory();
  readonly #answers = new Map<string, Reply>();
  #state: RunState;
  #now = 1_700_000_000_000;
  #boot = 1;
  readonly #restarts: number[] = [];
  #attempts: Attempt[] = [];
  /** Messages that the network still holds. */
  #late: Message[] = [];
  #faults = true;
  /** The step of a commit that several commands share. */
  #group: Step | undefined;
  #posted = 0;
  /** Chance for what came later: worlds with odd seeds have neither prices nor large prefixes, and stay as they were. */
  readonly #later: Random | undefined;
  /** Who carries out remote tools, in worlds that have any. */
  readonly #remote: RemoteWorkers | undefined;
  readonly #remoteHistory = new RemoteHistory();
  /** In worlds that have any. */
  readonly #rules: RuleWorld | undefined;
  /** Chance of groups and stand-ins, in worlds that have any. */
  readonly #scopes: Random | undefined;
  /** Who asks and answers, in worlds that have any. */
  readonly #questions: QuestionWorld | undefined;

  constructor(
    seed: number,
    { remoteTools = false, scopes = false, rules = false, questions = false }: WorldOptions = {},
  ) {
    this.random = new Random(seed);
    this.#chatter = new Random(seed + 1_000_000);
    const { random } = this;
    const later = seed % 2 === 0 ? new Random(seed + 1_000_000) : undefined;
    this.#later = later;
    this.#scopes = scopes ? new Random(seed + 2_000_000) : undefined;
    this.#rules = rules ? new RuleWorld(new Random(seed + 3_000_000), seed % 2 === 0, true) : undefined;
    this.#questions = questions ? new QuestionWorld(new Random(seed + 4_000_000)) : undefined;
    this.#remote = remoteTools ? new RemoteWorkers(random, this.#remoteHistory) : undefined;
    this.#state = this.#store.load();
    // A pull worker's waits end with its attempt; the phase is that of before the event is told of.
    this.#variables.lost = (task, forget) => {
      if (this.#history.poolOf(task) !== "hosted") forget((wait) => wait.task === task);
    };
    const limits = {
      ...usualLimits,
      workers: random.int(2, 8),
      tasks: random.int(20, 80),
      depth: random.int(2, 5),
      children: random.int(2, 12),
      tokens: random.chance(0.5) ? random.int(200, 1500) : 0,
      pools: ["hosted", "laptop"],
      ...(later?.chance(0.5) && { nanos: later.int(200_000, 1_500_000) }),
      ...(later && { warmMs: later.pick([0, 2000, 30_000])! }),
    };
    const step = new Step(this.#state, this.#now);
    const failFast = this.#scopes?.chance(0.2) && { fail_fast: true as const };
    step.emit({ type: "run_created", limits, snapshot: "s0", ...failFast });
    if (this.#rules) replaceRules(step, "run", this.#rules.some());
    if (random.chance(0.4)) {
      createTasks(
        step,
        undefined,
        [{ ...this.#forked(undefined, { instructions: "lead", key: "root" }), root: true }],
        numberOf,
      );
    }
    finishStep(step);
    this.#log(step);
  }

  get log(): MemoryStore["log"] {
    return this.#store.log;
  }

  get header(): RunState["header"] {
    return this.#state.header;
  }

  /** How often answers to questions were taken in each way. */
  get answers(): ReadonlyMap<string, number> {
    return this.#questions?.happened ?? new Map();
  }

  /** One thing happens. */
  step(): void {
    const { random } = this;
    this.#now += random.int(0, 300);
    const what = random.weighted({
      lease: 22,
      work: 60,
      late: 4,
      post: 6,
      clock: 3,
      jump: 0.5,
      people: 4,
      restart: 0.4,
      // Last, and without weight where there are none: the seeds of such worlds stay what they were.
      remote: this.#remote ? 40 : 0,
      rules: this.#rules ? 2 : 0,
      answer: this.#questions ? 8 : 0,
    });
    if (what === "remote") this.#remote?.act((decide) => this.#command(decide), String(this.#boot));
    else if (what === "rules") this.#replaceRules();
    else if (what === "answer") this.#command((step) => this.#questions?.answer(step));
    else if (what === "lease") this.#lease(random.pick(pools)!);
    else if (what === "work") this.#work();
    else if (what === "late") this.#deliverLate();
    else if (what === "post") this.#post();
    else if (what === "clock") this.#toNextClock(2 * minute);
    else if (what === "jump") this.#wait(random.int(0, 20) * minute);
    else if (what === "people") this.#people();
    else this.#restart();
  }

  /** Faults stop and every worker does its best: all tasks end, and the run can. */
  finish(): void {
    this.#faults = false;
    this.#late = [];
    if (isRunEnded(this.#state)) return;
    const lasting = this.#rules?.lasting();
    if (lasting) this.#command((step) => replaceRules(step, "run", lasting));
    if (lasting) this.#command((step) => replaceRules(step, "deployment", []) ?? replaceRules(step, "tenant", []));
    if (this.#state.header.limits.tokens > 0) this.#command((step) => changeBudget(step, { tokens: 1_000_000_000 }));
    if (this.#state.header.limits.nanos) this.#command((step) => changeBudget(step, { nanos: 1e15 }));
    if (this.#state.header.status === "paused") this.#command((step) => resumeRun(step));
    const patience = this.#now + 6 * 60 * minute;
    while (this.#state.liveCount() > 0) {
      const before = this.#state.header.seq;
      for (const pool of pools) while (this.#lease(pool)) {}
      for (const attempt of [...this.#attempts]) this.#doBest(attempt);
      if (this.#remote?.serve((decide) => this.#command(decide), String(this.#boot))) continue;
      if (this.#questions) this.#command((step) => this.#questions?.answerAll(step));
      if (this.#state.header.seq !== before) continue;
      this.#toNextClock(24 * 60 * minute);
      if (this.#now > patience) throw new Error(`stuck: ${JSON.stringify(this.#stuck())}`);
    }
    if (!isRunEnded(this.#state)) this.#command((step) => finishRun(step, false));
    if (!isRunEnded(this.#state)) throw new Error("the run can't end");
    expectSame(this.#state, this.#store.replay());
  }

  #stuck(): unknown {
    return [...this.#state.tasks.values()]
      .filter(isLive)
      .map(({ n, phase, after, calls }) => ({ n, phase, after, calls }));
  }

  // ---- the object ------------------------------------------------------------------------------------------------------

  /** What is overdue, then `decide`, then the log; undefined when the object crashed and the caller hears nothing. */
  #command<T>(decide: (step: Step) => T, remember?: (answer: T) => void): T | undefined {
    const { random } = this;
    const group = this.#group;
    const crash = this.#faults && !group && random.chance(0.06) ? random.weighted({ before: 1, after: 1 }) : "never";
    const step = group ?? new Step(this.#state, this.#now);
    if (!group) runClock(step);
    const answer = decide(step);
    this.#message(step);
    finishStep(step);
    if (crash === "before") {
      this.#reload();
      return undefined;
    }
    remember?.(answer);
    if (group) {
      this.#tell(step);
      return answer;
    }
    if (this.#faults && random.chance(0.2)) this.#shareCommit(step);
    this.#log(step);
    this.#check();
    this.#rules?.check(this.#state, this.#now);
    for (const { warmer, holdUntil } of this.#state.header.lineages ?? [])
      if (warmer > 0 && holdUntil <= this.#now) throw new Error("[H2] a hold outlasts its bound");
    if (random.chance(0.05)) this.#store.checkpoint(this.#state);
    if (crash === "after") {
      const lost = this.#state;
      this.#reload(lost);
      return undefined;
    }
    return answer;
  }

  /** Group commit: commands of other workers that came meanwhile are decided in the same step. */
  #shareCommit(step: Step): void {
    const { random } = this;
    this.#group = step;
    this.#tell(step);
    for (let left = random.int(1, 5); left > 0; left--) {
      if (random.chance(0.3)) this.#lease(random.pick(pools)!);
      else this.#work();
    }
    this.#group = undefined;
  }

  #log(step: Step): void {
    this.#store.append(step.decided, step.now);
    this.#tell(step);
  }

  /** The history learns what the step has decided since it was told last. */
  #tell(step: Step): void {
    for (const one of step.decided) {
      if (one.seq <= this.#history.lastSeq) continue;
      this.#history.add(one);
      this.#rules?.add(one, this.#now);
      this.#variables.add(one);
      this.#remoteHistory.add(one);
      this.#questions?.add(one, step.now, this.#state);
    }
  }

  #reload(lost?: RunState): void {
    this.#state = this.#store.load();
    if (lost) expectSame(lost, this.#state);
    this.#restarts.push(this.#now);
    extendOverRestarts(this.#state, this.#restarts);
    this.#check();
  }

  #check(): void {
    const { header, tasks } = this.#state;
    checkState(this.#state, this.#now);
    checkWaits(this.#state);
    const running = [...tasks.values()]
      .filter((task) => task.phase.state === "running" && task.n > 0)
      .map((task) => task.n);
    if (!setsEqual(new Set(running), this.#history.open)) throw new Error("[L1] running means an open lease");
    if (this.#state.openCalls.size !== this.#remoteHistory.size) throw new Error("[M7] open calls");
    const asked = openAsks(this.#state).map(({ call }) => call.seq);
    if (asked.join() !== this.#variables.questions.join())
      throw new Error(`[QU1] questions are ${asked}, not ${this.#variables.questions}`);
    // The deployment's rules may give less than is spent.
    if (!this.#rules && header.limits.tokens > 0 && freeTokens(this.#state)! < 0)
      throw new Error("[B1] budget overdrawn");
    for (const task of tasks.values()) {
      const inbox = this.#history.inboxOf(task.n);
      if (task.inbox.length !== inbox.length || task.inbox.some(({ seq }, i) => seq !== inbox[i]))
        throw new Error(`[I1] inbox of task ${task.n}`);
      if (task.observed !== this.#history.seen.has(task.n)) throw new Error(`[T4] observed of task ${task.n}`);
      if (task.maxTokens > 0 && task.treeTokens + task.treeReserved > task.maxTokens)
        throw new Error("[B1] max_tokens overdrawn");
    }
    if (!this.#rules && (freeNanos(this.#state) ?? 0) < 0) throw new Error("[B4] money overdrawn");
    if (this.random.chance(0.06)) expectSame(this.#state, this.#store.load());
    if (this.random.chance(0.01)) expectSame(this.#state, this.#store.replay());
  }

  /** The whole runtime goes: hosted attempts die with it. */
  #restart(): void {
    this.#reload();
    this.#boot++;
    this.#attempts = this.#attempts.filter((attempt) => !attempt.hosted || this.random.chance(0.2));
    this.#remote?.restart();
    this.#command((step) => endAttemptsOfOtherBoots(step, String(this.#boot)));
  }

  // ---- workers ---------------------------------------------------------------------------------------------------------

  #lease(pool: string): boolean {
    let attempt: Attempt | undefined;
    this.#command((step) => {
      const { header } = this.#state;
      if (this.#rules && pool !== "hosted")
        reportLoad(step, { pool, worker: "w", percent: this.#faults ? this.#rules.load() : 0 });
      const task = nextToStart(step, pool);
      if (!task) return;
      this.#rules?.checkRoom(step.state, task);
      // As of now: before this lease a rule may have fired.
      const { working, workers } = this.#state;
      if (header.status !== "active" || working >= workers) throw new Error("[O4] a lease too many");
      const hosted = pool === "hosted";
      const fence = openLease(step, task, `w-${pool}`, hosted ? String(this.#boot) : "");
      attempt = { task: task.n, fence, hosted, reserved: 0, messages: 0 };
    });
    // Where the object crashed before it logged the lease, this worker is a zombie from the start.
    if (attempt) this.#attempts.push(attempt);
    return attempt !== undefined;
  }

  #work(): void {
    const { random } = this;
    const attempt = random.pick(this.#attempts);
    if (!attempt) return;
    if (random.chance(0.02)) {
      this.#drop(attempt);
      return;
    }
    if (random.chance(0.3)) this.#renew(attempt);
    const task = this.#state.task(attempt.task);
    const waits = task.calls.some((call) => call.state === "waiting");
    if (waits && attempt.hosted) {
      this.#leave(attempt, "wait");
      return;
    }
    if (waits && random.chance(0.9)) return;
    const one = leased(this.#state, attempt.task, attempt.fence);
    if (one && isWarming(this.#state, one) && this.#later?.chance(0.2)) {
      this.#send(attempt, "first_token", (step, reader) => {
        firstToken(step, reader);
        return "go_on";
      });
      return;
    }
    const isRoot = attempt.task === this.#state.header.root;
    const { hosted } = attempt;
    const what = random.weighted({ turn: 45, end: isRoot ? 1 : 22, tool: hosted ? 0 : 20, leave: hosted ? 4 : 0 });
    if (what === "turn") this.#turn(attempt);
    else if (what === "tool") this.#send(attempt, "tool", (step, one) => this.#tool(step, one, `p${attempt.messages}`));
    else if (what === "leave") this.#leave(attempt, "end_of_service");
    else this.#end(attempt);
  }

  /** Nothing new is begun: waits are waited for, work is completed. */
  #doBest(attempt: Attempt): void {
    const task = leased(this.#state, attempt.task, attempt.fence);
    if (!task) {
      this.#drop(attempt);
      return;
    }
    this.#renew(attempt);
    const waits = task.calls.some((call) => call.state === "waiting");
    if (waits && attempt.hosted) this.#leave(attempt, "wait");
    else if (waits && !task.phase.blocked) this.#send(attempt, "block", (step, one) => block(step, one));
    else if (!waits) this.#send(attempt, "complete", (step, one) => this.#complete(step, one));
  }

  /** The worker is gone without a word. */
  #drop(attempt: Attempt): void {
    this.#attempts = this.#attempts.filter((one) => one !== attempt);
  }

  #renew(attempt: Attempt): void {
    const task = leased(this.#state, attempt.task, attempt.fence);
    if (task && task.phase.expiresAt > this.#now) task.phase.expiresAt = this.#now + leaseMs;
  }

  #send(attempt: Attempt, op: string, act: Message["act"]): void {
    const { random } = this;
    const { task, fence } = attempt;
    const message: Message = { id: `${task}:${fence}:${attempt.messages++}`, task, fence, op, act };
    let reply: Reply | undefined;
    if (this.#faults && random.chance(0.05)) {
      this.#late.push(message);
    } else {
      reply = this.#deliver(message);
      if (this.#faults && random.chance(0.08)) this.#late.push(message);
    }
    for (let tries = 0; reply === undefined && tries < 3; tries++) reply = this.#deliver(message);
    // Without an answer the worker gives up, and may be a zombie: some keep going with the lease that they believe in.
    if (reply === undefined || (reply === "over" && !random.chance(0.05))) this.#drop(attempt);
  }

  #deliver({ id, task, fence, op, act }: Message): Reply | undefined {
    const known = this.#answers.get(id);
    if (known) return known;
    return this.#command<Reply>(
      (step) => {
        const one = leased(this.#state, task, fence);
        if (one && this.#history.fenceOf(task) !== fence) throw new Error(`[L2] ${op} by a late lease, fence ${fence}`);
        if (one) return act(step, one);
        step.emit({ type: "late_refused", task, fence, op });
        return "over";
      },
      (answer) => this.#answers.set(id, answer),
    );
  }

  #deliverLate(): void {
    const message = this.random.pick(this.#late);
    if (!message) return;
    if (this.random.chance(0.7)) this.#late = this.#late.filter((one) => one !== message);
    this.#deliver(message);
  }

  // ---- what workers do -------------------------------------------------------------------------------------------------

  #turn(attempt: Attempt): void {
    const { random } = this;
    if (attempt.hosted && needsReservation(this.#state, this.#state.task(attempt.task)) && attempt.reserved === 0) {
      const want = { inputTokens: random.int(1, 60), outputTokens: random.int(1, 100) };
      this.#send(attempt, "reserve", (step, task) => {
        const reservation = reserveTokens(step, task, want, price);
        attempt.reserved = reservation.kind === "reserved" ? want.inputTokens + reservation.outputTokens : 0;
        if (reservation.kind !== "exhausted") return reservation.kind === "reserved" ? "go_on" : "over";
        endTask(step, task, { state: "failed", error: { code: "max_tokens", message: "" } });
        return this.#settle(step);
      });
      return;
    }
    const used = attempt.reserved > 0 ? random.int(1, attempt.reserved) : this.#isFree(attempt) ? random.int(0, 50) : 0;
    attempt.reserved = 0;
    const calls = random.int(0, 3);
    const later = this.#later;
    const write = later?.chance(0.7) ? used : 0;
    this.#send(attempt, "turn", (step, task) => {
      const turn = task.turns + 1;
      const tokens = { in: used, out: 0, read: 0, write };
      const usage = later ? { ...tokens, model: "m", nanos: costOf(price, tokens) } : tokens;
      const shown = task.inbox.slice(0, this.#chatter.chance(0.8) ? task.given : 0).map(({ seq }) => seq);
      const snapshot = `s${task.n}.${turn}`;
      step.emit({
        type: "turn",
        task: task.n,
        fence: task.phase.fence,
        turn,
        snapshot,
        usage,
        ...(shown.length > 0 && { messages: shown }),
      });
      settleBudget(step);
      for (let i = 0; i < calls; i++) this.#tool(step, task, `c${turn}.${i}`);
      noteBudgets(step, task);
      return "go_on";
    });
  }

  /** Nothing limits the tokens of this task, so a worker may report what it likes. */
  #isFree(attempt: Attempt): boolean {
    return !needsReservation(this.#state, this.#state.task(attempt.task));
  }

  #tool(step: Step, task: Leased, id: string): Reply {
    const { random } = this;
    const remote = this.#remote ? 8 : 0;
    const ask = this.#questions ? 4 : 0;
    const what = random.weighted({ create: 4, await: 5, variable: 5, cancel: 0.5, answer: 2, remote, ask });
    if (what === "remote") {
      const waits = beginCall(step, random, task, id).kind === "waiting";
      return waits && !task.phase.hosted ? block(step, task) : "go_on";
    }
    if (what === "await") return this.#await(step, task, id);
    if (what === "variable" || what === "ask") {
      const used =
        what === "ask" ? this.#questions?.ask(step, task, id) : useVariable(step, random, task, id, this.#now);
      const waits = used?.kind === "waiting";
      if (waits && !task.phase.hosted) return block(step, task);
      if (waits) return "go_on";
    }
    if (what === "create") {
      const [specs, groups] = this.#scoped(this.#batch());
      createTasks(
        step,
        task,
        specs.map((spec) => this.#forked(task, spec)),
        numberOf,
        groups,
      );
    }
    if (what === "cancel") {
      const child = random.pick(task.children.map((n) => this.#state.task(n)).filter(isLive));
      if (child) {
        cancelTask(step, child, "not needed");
        settle(step);
      }
    }
    if (isLive(task) && !task.calls.some((call) => call.id === id))
      step.emit({ type: "call_done", task: task.n, call: id, tool: what, why: "answered" }, { text: "" });
    return "go_on";
  }

  #await(step: Step, task: Leased, id: string): Reply {
    const { random } = this;
    const targets = new Set<number>();
    for (let i = random.int(1, 3); i > 0; i--) {
      const child = random.chance(0.6) ? random.pick(task.children) : undefined;
      targets.add(child ?? random.int(1, this.#state.header.taskCount));
    }
    const mode = random.pick(["all", "any", "settled"] as const)!;
    const until = random.chance(0.2) ? this.#now + random.int(1, 600) * second : 0;
    const outcome = beginAwait(step, task, { id, targets: [...targets], mode, until });
    if (outcome.kind === "waiting" && !task.phase.hosted) return block(step, task);
    return "go_on";
  }

  /** Hosted tasks of some worlds share one of a few prefixes, large and small, cached and not. */
  #forked(creator: Task | undefined, spec: Spec & { instructions: string }): NewTask {
    const forked = newTaskOf(spec);
    const later = this.#later;
    if (!later || (spec.pool ?? creator?.pool ?? "hosted") !== "hosted" || later.chance(0.2)) return forked;
    // What these tasks use is little, so a turn counts as reading the whole prefix.
    const tokens = later.pick([10, 60])!;
    const gain = later.pick([0, 1_000_000_000])!;
    const lineage = { snapshot: `p${tokens}.${gain}`, model: "m", tokens, cold: tokens, gain };
    return { ...forked, lineage };
  }

  #batch(): NewSpec[] {
    const { random } = this;
    const size = random.int(1, 3);
    const keys = Array.from({ length: size }, () => (random.chance(0.7) ? `k${random.int(0, 30)}` : undefined));
    const known = this.#state.header.taskCount;
    return keys.map((key) => {
      const after: string[] = [];
      for (let i = random.int(-1, 2); i > 0; i--) {
        const name = random.chance(0.5) ? random.pick(keys) : random.chance(0.05) ? `k${random.int(0, 30)}` : undefined;
        after.push(name ?? `T${random.int(1, Math.max(1, known))}`);
      }
      const refers = keys.find((one) => one !== undefined && one !== key);
      return {
        instructions: refers !== undefined && random.chance(0.1) ? `use {{${refers}}}` : "do it",
        ...(key !== undefined && { key }),
        after: after.filter((name) => name !== key),
        ...(random.chance(0.4) && { on_dependency_failure: "run" as const }),
        ...(random.chance(0.15) && { detached: true }),
        ...(random.chance(0.5) && { priority: random.int(0, 9) }),
        ...(random.chance(0.25) && { pool: random.pick(pools)! }),
        ...(this.#rules && { labels: this.#rules.labels() }),
        ...(random.chance(0.1) && { max_tokens: random.int(50, 500) }),
        ...(random.chance(0.1) && { timeout_ms: random.int(1, 60) * minute }),
        ...(random.chance(0.4) && {
          retries: { limit: random.int(0, 3), backoff_ms: random.pick([0, second, minute])! },
        }),
      };
    });
  }

  /** Some of them in a group, with a stand-in, or after the group. */
  #scoped(batch: NewSpec[]): [NewSpec[], Groups] {
    const chance = this.#scopes;
    if (!chance) return [batch, {}];
    // Names that no key has.
    const name = "group";
    let members = 0;
    const specs = batch.map((spec, i) => {
      const standIn = {
        instructions: "else",
        ...(chance.chance(0.3) && { pool: chance.pick(pools)! }),
        ...(chance.chance(0.2) && { timeout_ms: chance.int(1, 60) * minute }),
      };
      const isMember = chance.chance(0.6);
      const follows = !isMember && i > 0 && members > 0 && chance.chance(0.6);
      if (isMember) members++;
      return {
        ...spec,
        ...(isMember && { group: name }),
        ...(follows && { after: [...(spec.after ?? []), name] }),
        ...(chance.chance(0.4) && { on_failure: { task: standIn } }),
      };
    });
    if (members === 0) return [specs, {}];
    const terms = {
      ...(chance.chance(0.5) && { require: chance.int(1, members) }),
      on_failure: chance.pick(["cancel", "continue"] as const)!,
      when_met: chance.pick(["cancel", "continue"] as const)!,
    };
    return [specs, { [name]: terms }];
  }

  #leave(attempt: Attempt, op: string): void {
    this.#send(attempt, op, (step, task) => {
      const { fence } = task.phase;
      if (task.calls.some((call) => call.state === "waiting")) {
        step.emit({ type: "task_parked", task: task.n, fence, on: "calls" });
      } else {
        if (this.#chatter.chance(0.3)) this.#compact(step, task);
        step.emit({ type: "task_ready", task: task.n, why: "given_back" });
      }
      return "over";
    });
  }

  #end(attempt: Attempt): void {
    const how = this.random.weighted({ complete: 60, transient: 20, permanent: 20 });
    const retryAfterMs = this.random.int(0, 90) * second;
    this.#send(attempt, how, (step, task) => {
      if (how === "complete") return this.#complete(step, task);
      const fault = how === "transient" ? "provider_rate_limited" : "provider_rejected";
      failAttempt(step, task, { fault, error: { code: fault, message: how }, retryAfterMs });
      return this.#settle(step);
    });
  }

  #complete(step: Step, task: Leased): Reply {
    completeTask(step, task, task.phase.fence, "done", undefined, task.phase.hosted ? 0 : task.given);
    return this.#settle(step);
  }

  #settle(step: Step): Reply {
    settle(step);
    settleBudget(step);
    return "over";
  }

  // ---- people and time -------------------------------------------------------------------------------------------------

  #post(): void {
    if (isRunEnded(this.#state) || this.#posted > 20) return;
    this.#posted++;
    const [specs, groups] = this.#scoped(this.#batch());
    const batch = specs.map((spec) => this.#forked(undefined, spec));
    this.#command((step) => createTasks(step, undefined, batch, numberOf, groups));
  }

  #replaceRules(): void {
    const placed = this.#rules!.some();
    const from = this.random.chance(0.2) ? "deployment" : this.random.chance(0.2) ? "tenant" : "run";
    this.#command((step) => replaceRules(step, from, placed));
  }

  #people(): void {
    const { random } = this;
    const what = random.weighted({
      cancel: 6,
      retry: 10,
      pause: 3,
      resume: 6,
      budget: 4,
      session: 6,
      cancelRun: 0.1,
      finish: 0.5,
    });
    const n = random.int(1, Math.max(1, this.#state.header.taskCount));
    this.#command((step) => {
      const task = this.#state.find(n);
      if (what === "session") this.#session(step);
      else if (what === "cancel" && task && isLive(task)) {
        cancelTask(step, task, "by a person");
        this.#settle(step);
      } else if (what === "retry" && task && isEnded(task)) retryTask(step, task, this.#retryFrom(task));
      else if (what === "pause") pauseRun(step);
      else if (what === "resume") resumeRun(step);
      else if (what === "budget" && this.#state.header.limits.tokens > 0) {
        const used = spentTokens(this.#state) + this.#state.header.reservedTokens;
        changeBudget(step, { tokens: used + random.int(0, 500) });
      } else if (what === "budget" && this.#state.header.limits.nanos) {
        const { nanos = 0, reservedNanos = 0 } = this.#state.header;
        changeBudget(step, { nanos: nanos + reservedNanos + random.int(1, 500_000) });
      } else if (what === "cancelRun") cancelRun(step, "by a person");
      else if (what === "finish") finishRun(step, random.chance(0.1));
    });
  }

  /** From the start, or after one of its turns. */
  #retryFrom(task: Task): RetryFrom {
    const pointOf = ({ n }: Task, turn: number) => {
      const told = new TaskTurns();
      for (const { event, seq, at } of this.#store.log)
        if ("task" in event && event.task === n) told.add(event, seq, at);
      return told.pointAfter(turn, this.#state.header.seq + 1, ({ snapshot }) => `before ${snapshot}`);
    };
    const point = task.turns > 0 ? pointOf(task, this.#chatter.int(0, task.turns)) : undefined;
    const pointsOf = (tasks: readonly Task[]) =>
      new Map(
        tasks.flatMap((one) => {
          const at = pointOf(one, one.turns);
          return at ? [[one.n, at] as const] : [];
        }),
      );
    return { point, pointsOf };
  }

  /** The provider said that the context is too long. */
  #compact(step: Step, task: Leased): void {
    const { fence } = task.phase;
    const to = `c${step.state.header.seq}`;
    const gone = { last: this.#chatter.int(1, 8), own: 2, dropped: this.#chatter.int(1, 9), replies: 1 };
    step.emit({ type: "context_compacted", task: task.n, fence, from: task.head ?? task.base, to, ...gone });
  }

  /** Somebody tells a task something. */
  #message(step: Step): void {
    if (!this.#faults || !this.#chatter.chance(0.08)) return;
    const task = step.state.find(this.#chatter.int(1, Math.max(1, step.state.header.taskCount)));
    if (task) sendMessage(step, task, "{}", this.#chatter.int(1, 100));
  }

  /** An agent outside opens a session, uses one, or closes it; most are left to run out. */
  #session(step: Step): void {
    const { random } = this;
    if (isRunEnded(step.state)) return;
    step.state.outsideAt = this.#now;
    const actor = random.pick([...step.state.actors]);
    if (actor === undefined || random.chance(0.2)) openActor(step, random.int(1, 300) * second, "somebody");
    else if (random.chance(0.1)) endActor(step, step.state.task(actor), "closed");
    else if (this.#remote && random.chance(0.5))
      beginCall(step, random, step.state.task(actor), `s${step.state.header.seq}`);
    else if (this.#questions && random.chance(0.3))
      this.#questions.ask(step, step.state.task(actor), `s${step.state.header.seq}`);
    else useVariable(step, random, step.state.task(actor), `s${step.state.header.seq}`, this.#now);
  }

  #toNextClock(most: number): void {
    const at = nextClock(this.#state);
    this.#wait(Math.min(at === undefined ? most : Math.max(0, at - this.#now), most));
  }

  /** Time passes; living workers renew on the way, unless they are cut off. */
  #wait(ms: number): void {
    const reachable = this.#attempts.filter(() => !this.#faults || this.random.chance(0.85));
    this.#now += ms;
    for (const attempt of reachable) {
      const task = leased(this.#state, attempt.task, attempt.fence);
      if (task) task.phase.expiresAt = Math.max(task.phase.expiresAt, this.#now + leaseMs);
    }
    this.#remote?.renewAll(this.#state, this.#now, this.#faults);
    this.#command(() => undefined);
  }
}

function block(step: Step, task: Leased): Reply {
  if (!task.phase.blocked) step.emit({ type: "call_blocked", task: task.n, fence: task.phase.fence, blocked: true });
  return "go_on";
}

const setsEqual = (a: ReadonlySet<number>, b: ReadonlySet<number>): boolean =>
  a.size === b.size && [...a].every((n) => b.has(n));
