/**
 * The imperative shell of one run: load → decide → append in one transaction → effects.
 * `command` carries out one at once; `together` lets commands that come during a commit share the next (commits.ts).
 *
 * H1. `decide` and the append happen in one synchronous transaction: there is no await between reading and committing.
 * H2. A bug (a thrown assertion) rolls back and drops the memory; the next call loads what was committed.
 * H3. Effects come after the commit and can be repeated: long polls wake, seats open, the gate and the run index learn,
 *     the alarm is set. An effect that is lost is done again by the alarm or the cron sweep.
 */

import { faults } from "../../errors/faults.ts";
import { base32 } from "../../ids.ts";
import { alarmOverdueMs, alarmRetryMs, outcomesDropEveryMs, sweepEveryMs, urlCallsAtOnce } from "../../limits.ts";
import type { Compiled } from "../../rules/parse.ts";
import { nextReady, startableIn } from "../../scheduler/attempts.ts";
import { endAttemptsOfOtherBoots, nextClock, renewAllLeases, runClock } from "../../scheduler/clock.ts";
import { finishStep } from "../../scheduler/finish-step.ts";
import { mayStartCalls, nextCall, urlPool } from "../../scheduler/remote-calls.ts";
import { isRunEnded, type RunState } from "../../scheduler/state.ts";
import { Step } from "../../scheduler/step.ts";
import { hostedPool } from "../../scheduler/task.ts";
import { setRunStatus } from "../../storage/d1/run-index.ts";
import { RunStore } from "../../storage/run/run-store.ts";
import { bootOf } from "../boot.ts";
import { Commits } from "../commits.ts";
import { type Env, gateStub } from "../env.ts";
import { laneOf } from "../lanes.ts";
import type { Idem, LeaseWishes, Reply } from "../rpc.ts";
import type { OpenSeats } from "../seat-port.ts";
import type { NextTask, SeatJob } from "../seat-rpc.ts";
import { LoadedRun } from "./loaded-run.ts";
import { Models } from "./models.ts";
import { Partials } from "./partials.ts";
import { deploymentRules, holdToDeployment } from "./rules.ts";
import { type Handed, Seats } from "./seats.ts";
import { Signals } from "./signals.ts";
import { startHosted } from "./start-hosted.ts";

const notFound = { ok: false, fault: { code: "not_found", detail: "There is no such run." } } as const;
/** Short, as it stands in the log with each task that the seat takes; told apart only from others of the same run. */
const seatNonce = () => base32(crypto.getRandomValues(new Uint8Array(12)), 12);

type Decide<T> = (step: Step, run: LoadedRun) => Reply<T>;

interface Command {
  readonly decide: Decide<unknown>;
  readonly names: readonly Idem[];
}

const named = (idems: readonly (Idem | undefined)[]): Idem[] => idems.filter((idem) => idem !== undefined);

export class RunShell {
  readonly signals = new Signals();
  readonly seats = new Seats();
  readonly models: Models;
  /** Those that every run of the deployment is held to. */
  readonly rules: Compiled | undefined;
  readonly partials = new Partials(() => this.signals.committed([]));
  readonly #ctx: DurableObjectState;
  readonly #env: Env;
  readonly #openSeats: OpenSeats;
  readonly #commits: Commits<Command, Reply<unknown>>;
  #run: LoadedRun | undefined;
  #alarmAt = Number.POSITIVE_INFINITY;
  /** In a row. */
  #alarmFailures = 0;
  #announced = new Map<string, boolean>();
  /** Lanes of which the gate is being told: calls may overtake one another, so there is one at a time. */
  readonly #telling = new Set<string>();
  #indexed = "";
  #retryEffectsAt = Number.POSITIVE_INFINITY;
  #outcomesDroppedAt = 0;

  constructor(ctx: DurableObjectState, env: Env, openSeats: OpenSeats) {
    this.#ctx = ctx;
    this.#env = env;
    this.#openSeats = openSeats;
    this.models = new Models(env);
    this.rules = deploymentRules(env);
    this.#commits = new Commits(
      (commands) => this.#carryOut(commands),
      () => ctx.storage.sync(),
    );
  }

  get sql(): SqlStorage {
    return this.#ctx.storage.sql;
  }

  /** The run, loaded at the first call; undefined when it was never created or is deleted. */
  load(): LoadedRun | undefined {
    if (this.#run) return this.#run;
    const store = RunStore.open(this.sql, (work) => this.#ctx.storage.transactionSync(work));
    if (!store) return undefined;
    this.#run = new LoadedRun(store, this.models);
    this.#afterRestart();
    return this.#run;
  }

  /** There is no run, and yet something: an import, or what a deletion has not come to yet. */
  get isTaken(): boolean {
    return !this.#run && RunStore.isStaged(this.sql);
  }

  /** The tables of what is no run yet, or no more. */
  stage(): RunStore {
    return RunStore.stage(this.sql, (work) => this.#ctx.storage.transactionSync(work));
  }

  /** Creates the tables and loads the empty run. Call inside `transaction`. */
  create(identity: { tenant: string; run: string }): LoadedRun {
    this.#run = new LoadedRun(RunStore.create(this.sql, identity), this.models);
    this.#noteBoot(this.#run);
    return this.#run;
  }

  /** Else the first load after an idle time would take itself for a restart, and give every lease a whole term again. */
  #noteBoot({ store }: LoadedRun): void {
    const boot = bootOf(this.#env);
    if (boot !== "") store.setMeta("boot", boot);
  }

  /** Takes over a run that was stored under this object's name just now; `ended`: tasks that ended with it. */
  adopt(run: LoadedRun, ended: readonly number[]): void {
    this.#run = run;
    this.#noteBoot(run);
    this.#indexed = "";
    this.effects(run, ended);
  }

  /** Rings the alarm at that time: for an object that has no run, and so no clock. */
  async remind(at: number): Promise<void> {
    if (!this.#run) await this.#ctx.storage.setAlarm(at);
  }

  now(): number {
    return Math.max(Date.now(), this.#run?.state.header.changedAt ?? 0);
  }

  /** Runs `work` in one transaction (H1, H2). */
  transaction<T>(work: () => T): T {
    try {
      return this.#ctx.storage.transactionSync(work);
    } catch (bug) {
      this.#run = undefined;
      this.signals.releaseAll();
      throw bug;
    }
  }

  /** One command: what is overdue happens first, then `decide`; a refusal changes nothing else. Any of its names gets the first answer. */
  command<T>(decide: Decide<T>, ...idems: (Idem | undefined)[]): Reply<T> {
    return this.#carryOut([{ decide, names: named(idems) }])[0] as Reply<T>;
  }

  /** As `command`, in one commit with others that came while the last one was under way (commits.ts): for what a busy run does often. */
  async together<T>(decide: Decide<T>, ...idems: (Idem | undefined)[]): Promise<Reply<T>> {
    return (await this.#commits.submit({ decide, names: named(idems) })) as Reply<T>;
  }

  #carryOut(commands: readonly Command[]): Reply<unknown>[] {
    const run = this.load();
    if (!run) return commands.map(() => notFound);
    const step = new Step(run.state, this.now());
    const { replies, handed } = this.transaction(() => {
      run.store.log.stage(step.decided);
      runClock(step);
      finishStep(step);
      const answers = commands.map((command) => this.#answer(run, step, command));
      const started = this.#handOut(run, step);
      this.append(run, step);
      return { replies: answers, handed: started };
    });
    this.seats.deliver(handed);
    this.effects(run, step.ended);
    return replies;
  }

  /** The next hosted work for a seat, in the step under way. */
  startHosted(step: Step, run: LoadedRun, next: NextTask): SeatJob | undefined {
    const watched = this.partials.isWatched(step.now);
    return startHosted(step, run, next, { boot: bootOf(this.#env), watched });
  }

  /** Idle seats take what the step made ready. */
  #handOut(run: LoadedRun, step: Step): Handed[] {
    const { length } = step.decided;
    const handed = this.seats.handOut((next) => this.startHosted(step, run, next));
    // A task whose references can't be resolved ends here, and others may have waited for it.
    if (step.decided.length > length) finishStep(step);
    return handed;
  }

  #answer(run: LoadedRun, step: Step, { decide, names }: Command): Reply<unknown> {
    for (const idem of names) {
      const first = this.#firstAnswer(run, idem);
      if (first) return first;
    }
    const decided = decide(step, run);
    finishStep(step);
    if (decided.ok) {
      for (const idem of names) run.store.putOutcome(idem, JSON.stringify(decided.value ?? null), step.now);
    }
    return decided;
  }

  /** Reads; what is overdue is left to the clock. */
  read<T>(look: (run: LoadedRun) => Reply<T>): Reply<T> {
    const run = this.load();
    return run ? look(run) : notFound;
  }

  append(run: LoadedRun, step: Step): void {
    if (step.decided.length > 0) {
      run.store.append(step.decided, step.now);
      run.store.checkpointIfDue(run.state);
    }
    run.store.log.stage([]);
  }

  #firstAnswer(run: LoadedRun, idem: Idem): Reply<unknown> | undefined {
    const known = run.store.outcome(idem.key);
    if (!known) return undefined;
    if (known.fingerprint === idem.fingerprint) return { ok: true, value: JSON.parse(known.value) as unknown };
    return { ok: false, fault: { code: "idempotency_mismatch" } };
  }

  /**
   * A runtime that is gone can't renew its hosted leases: they end at once, not when they expire. Pull workers could not
   * reach it meanwhile, so their leases get a whole term again. Only local runtimes have a boot: an object of a deployment
   * is loaded anew whenever it was idle, and to renew then would keep a lost worker's lease for ever.
   */
  #afterRestart(): void {
    const run = this.#run!;
    const boot = bootOf(this.#env);
    const step = new Step(run.state, this.now());
    this.transaction(() => {
      endAttemptsOfOtherBoots(step, boot);
      holdToDeployment(step, this.rules);
      if (boot !== "" && run.store.meta("boot") !== boot) {
        renewAllLeases(run.state, step.now);
        run.store.setMeta("boot", boot);
      }
      finishStep(step);
      this.append(run, step);
    });
    this.effects(run, step.ended);
  }

  /** Everything that follows a commit (H3). */
  effects(run: LoadedRun, ended: readonly number[]): void {
    this.signals.committed(ended);
    this.#openWantedSeats(run);
    this.#announce(run);
    this.#index(run);
    this.arm();
  }

  #openWantedSeats(run: LoadedRun): void {
    const { state } = run;
    const now = this.now();
    const shards = this.seats.wanted(startableIn(state, hostedPool) + urlCallsWanted(state, now), now);
    if (shards.length === 0) return;
    const tickets = shards.map((shard) => ({ tenant: run.tenant, run: run.id, nonce: seatNonce(), shard }));
    for (const ticket of tickets) this.seats.sent(ticket, now);
    // Seats that were not sent are sent again when they have not opened in time.
    const failed = (error: unknown) => console.error(faults.queue_refused.log, { run: run.id, error: String(error) });
    this.#ctx.waitUntil(this.#openSeats(tickets).catch(failed));
  }

  /** Tells the tenant's gate which pools of pull workers have something to lease here, when that changed. */
  #announce(run: LoadedRun): void {
    for (const pool of run.state.ready.keys()) {
      if (pool !== hostedPool) this.#tell(run, { pool }, nextReady(run.state, pool, this.now()) !== undefined);
    }
    const mayStart = mayStartCalls(run.state);
    for (const { pool, tool, ready } of run.state.openCalls.lanes()) {
      if (pool !== urlPool) this.#tell(run, { pool, tool }, mayStart && ready > 0);
    }
    // Perhaps no worker asks any more, whose empty answer would take the run off.
    if (isRunEnded(run.state)) for (const lane of lanesOf(run)) this.#tell(run, lane, false);
  }

  #tell(run: LoadedRun, { pool, tool }: { pool: string; tool?: string }, ready: boolean): void {
    const lane = laneOf(pool, tool);
    // An object that was loaded anew does not know what it has announced; it matters when nothing follows.
    const announced = this.#announced.get(lane) ?? isRunEnded(run.state);
    if (announced === ready || this.#telling.has(lane)) return;
    this.#announced.set(lane, ready);
    this.#telling.add(lane);
    const told = gateStub(this.#env, run.tenant)
      .announce({
        run: run.id,
        pool,
        ...(tool && { tool }),
        ready,
        ...((run.state.book?.loadRules(pool).length ?? 0) > 0 && { loads: true as const }),
      })
      .finally(() => {
        this.#telling.delete(lane);
        // What has changed meanwhile.
        if (this.#run === run) this.#announce(run);
      });
    this.#repeatable(told, () => this.#announced.delete(lane));
  }

  /** Tells the gate again what is ready, with the next command: a word of an earlier life of this object may have come late. */
  announceAnew(): void {
    this.#announced.clear();
  }

  /** The gate was told by an empty answer that nothing of this is ready: the next that is must be announced again. */
  announcedEmpty({ pool, kinds = ["task"], tools }: { readonly pool: string } & LeaseWishes): void {
    if (kinds.includes("task")) this.#announced.set(pool, false);
    if (!kinds.includes("tool_call")) return;
    for (const lane of this.#run?.state.openCalls.lanes() ?? []) {
      if (lane.pool === pool && (!tools || tools.includes(lane.tool)))
        this.#announced.set(laneOf(pool, lane.tool), false);
    }
  }

  #index(run: LoadedRun): void {
    const { status, endedAt } = run.state.header;
    const shown = `${status} ${endedAt}`;
    if (this.#indexed === shown) return;
    const isFirst = this.#indexed === "" && status === "active";
    this.#indexed = shown;
    if (isFirst) return;
    const name = { tenant: run.tenant, id: run.id };
    this.#repeatable(setRunStatus(this.#env.DB, name, status, endedAt || null), () => {
      this.#indexed = "unknown";
    });
  }

  #repeatable(effect: Promise<unknown>, forget: () => void): void {
    const retry = () => {
      forget();
      this.#retryEffectsAt = Date.now() + faults.database_unavailable.retry.afterMs;
      this.arm();
    };
    this.#ctx.waitUntil(effect.then(() => undefined, retry));
  }

  /** Sets the alarm when something is due before it would ring. It may ring early: then it is set anew. */
  arm(earliest = 0): void {
    const run = this.#run;
    if (!run) return;
    const clock = nextClock(run.state) ?? Number.POSITIVE_INFINITY;
    const opening = this.seats.nextCheck() ?? Number.POSITIVE_INFINITY;
    const want = Math.min(clock, opening, this.#retryEffectsAt);
    const now = Date.now();
    const overdue = this.#alarmAt + alarmOverdueMs < now;
    if (want === Number.POSITIVE_INFINITY || (want >= this.#alarmAt && !overdue)) return;
    this.#setAlarm(Math.max(want, now, earliest));
  }

  #setAlarm(at: number): void {
    this.#alarmAt = at;
    const forget = (error: unknown) => {
      console.error("alarm was not set", { run: this.#run?.id, error: String(error) });
      // The next command sets it.
      if (this.#alarmAt === at) this.#alarmAt = Number.POSITIVE_INFINITY;
    };
    this.#ctx.waitUntil(this.#ctx.storage.setAlarm(at).catch(forget));
  }

  /**
   * Whether the alarm that storage has rings in time for the run's next clock. When not, whoever removed it was no code of ours:
   * it is set, and the run's findings say so.
   */
  async repairAlarm(): Promise<void> {
    const run = this.load();
    const due = run && nextClock(run.state);
    if (!run || due === undefined) return;
    const stored = await this.#ctx.storage.getAlarm();
    if ((stored !== null && stored <= due + alarmOverdueMs) || nextClock(run.state) !== due) return;
    console.warn("repaired", { run: run.id, what: "alarm" });
    const message = `Its alarm was ${stored === null ? "gone" : "set too late"} when the sweep came. It is set again, and what was due is done: nothing was lost, but it came late.`;
    this.command((step) => {
      step.emit({ type: "finding", kind: "repaired", severity: "info", subjects: [], message });
      return { ok: true, value: null };
    });
    this.#alarmAt = Number.POSITIVE_INFINITY;
    this.arm();
  }

  /** What the alarm was to do failed: it rings again, later each time, and never stops to. */
  async alarmFailed(bug: unknown, earliest = 0): Promise<void> {
    const backoff = Math.min(alarmRetryMs * 2 ** this.#alarmFailures++, sweepEveryMs);
    console.error("alarm failed", { run: this.#run?.id, again_ms: backoff, error: String(bug) });
    this.#alarmAt = Math.max(Date.now() + backoff, earliest);
    await this.#ctx.storage.setAlarm(this.#alarmAt);
  }

  /** The alarm's work. @throws what its caller hands to `alarmFailed` */
  alarm(scheduledAt: number): void {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    this.#retryEffectsAt = Number.POSITIVE_INFINITY;
    // One that is set to the very time it rang at would be stored and never ring.
    const earliest = scheduledAt + 1;
    this.command(() => ({ ok: true, value: null }));
    this.#dropOldOutcomes();
    this.arm(earliest);
    this.#alarmFailures = 0;
  }

  #dropOldOutcomes(): void {
    const now = this.now();
    if (now - this.#outcomesDroppedAt < outcomesDropEveryMs) return;
    this.#outcomesDroppedAt = now;
    this.#run?.store.dropOldOutcomes(now);
  }

  /** Forgets the run in memory, with one write to its tables after which `load` does not find it. */
  drop(write: (store: RunStore) => void): void {
    this.transaction(() => write(this.stage()));
    if (this.#run) this.#run.isGone = true;
    this.#run = undefined;
    this.signals.releaseAll();
  }

  /** Deletes all storage and the memory. The alarm goes last: it is what carries on when this breaks off. */
  async forget(): Promise<void> {
    if (this.#run) this.#run.isGone = true;
    this.#run = undefined;
    this.signals.releaseAll();
    await this.#ctx.storage.deleteAll();
    await this.#ctx.storage.deleteAlarm();
    this.#alarmAt = Number.POSITIVE_INFINITY;
    this.#announced.clear();
    this.#indexed = "";
  }
}

/** The lanes that the run may have announced, as far as its queues, limits and tools tell. */
function lanesOf({ state, tools }: LoadedRun): { pool: string; tool?: string }[] {
  const pools = new Set([...state.ready.keys(), ...state.header.limits.pools]);
  pools.delete(hostedPool);
  const calls = [...tools.values()].flatMap(({ pool, name }) => (pool === undefined ? [] : [{ pool, tool: name }]));
  return [...Array.from(pools, (pool) => ({ pool })), ...calls];
}

/** Calls of urls that seats can begin now. */
const urlCallsWanted = (state: RunState, now: number): number =>
  nextCall(state, urlPool, now)
    ? Math.min(state.openCalls.readyIn(urlPool), urlCallsAtOnce - state.openCalls.urlsRunning)
    : 0;
