/**
 * The imperative shell of one run: load → decide → append in one transaction → effects.
 * `command` carries out one at once; `together` lets commands that come during a commit share the next (commits.ts).
 *
 * H1. `decide` and the append happen in one synchronous transaction: there is no await between reading and committing.
 * H2. A bug (a thrown assertion) rolls back and drops the memory; the next call loads what was committed.
 * H3. Effects come after the commit and can be repeated: long polls wake here, and what is outside the object learns (effects.ts).
 */

import { parseRetention } from "../../contract/retention.ts";
import { base32 } from "../../ids.ts";
import { objectSlowMs, restartsKeptMax } from "../../limits.ts";
import type { Compiled } from "../../rules/parse.ts";
import { settleBudget } from "../../scheduler/budget.ts";
import { endAttemptsOfOtherBoots, extendOverRestarts, runClock } from "../../scheduler/clock.ts";
import { finishStep } from "../../scheduler/finish-step.ts";
import { seatsWanted, shareOf } from "../../scheduler/seat-shares.ts";
import { isRunEnded, type RunState } from "../../scheduler/state.ts";
import { Step } from "../../scheduler/step.ts";
import { type Identity, RunStore } from "../../storage/run/run-store.ts";
import { bootOf } from "../boot.ts";
import { Commits } from "../commits.ts";
import type { Env } from "../env.ts";
import type { Idem, Reply } from "../rpc.ts";
import type { OpenSeats } from "../seat-port.ts";
import type { NextTask, SeatJob } from "../seat-rpc.ts";
import { Effects } from "./effects.ts";
import { Followers } from "./followers.ts";
import { LoadedRun, type RunSettings } from "./loaded-run.ts";
import { Models } from "./models.ts";
import { OwedEvents } from "./owed-events.ts";
import { Partials } from "./partials.ts";
import { ok, refuse } from "./replies.ts";
import { deploymentRules, holdToDeployment } from "./rules.ts";
import { type Handed, Seats } from "./seats.ts";
import { Signals } from "./signals.ts";
import { hasHostedWork, startHosted } from "./start-hosted.ts";
import { TracePushes } from "./trace-pushes.ts";
import { VariableUses } from "./variable-uses.ts";
import { Watchers } from "./watchers.ts";
import { Webhooks } from "./webhooks.ts";

const notFound = refuse({ code: "not_found", detail: "There is no such run." });

/** As in Identity. */
export const newLife = (): string => base32(crypto.getRandomValues(new Uint8Array(12)), 12);

type Decide<T> = (step: Step, run: LoadedRun) => Reply<T>;

interface Command {
  readonly decide: Decide<unknown>;
  readonly names: readonly Idem[];
}

const named = (idems: readonly (Idem | undefined)[]): Idem[] => idems.filter((idem) => idem !== undefined);

export class RunShell {
  readonly signals = new Signals();
  readonly followers = new Followers();
  readonly seats = new Seats();
  readonly settings: RunSettings;
  /** Those that every run of the deployment is held to. */
  readonly rules: Compiled | undefined;
  readonly traces: TracePushes;
  readonly webhooks = new Webhooks();
  readonly partials = new Partials(
    () => {
      this.followers.committed();
      this.watchers.committed();
    },
    () => this.watchers.wantPartials,
  );
  readonly watchers: Watchers;
  readonly effects: Effects;
  readonly uses = new VariableUses(
    () => this.load(),
    () => this.#step((step) => step.emitOwed()),
  );
  readonly #ctx: DurableObjectState;
  readonly #env: Env;
  readonly #commits: Commits<Command, Reply<unknown>>;
  #run: LoadedRun | undefined;
  readonly #owed = new OwedEvents();

  constructor(ctx: DurableObjectState, env: Env, openSeats: OpenSeats) {
    this.#ctx = ctx;
    this.#env = env;
    this.traces = new TracePushes(env);
    this.rules = deploymentRules(env);
    // A text that can't be read keeps all (and /health says so): what is deleted by mistake is gone.
    const retention = parseRetention(env.HEDDLE_RETENTION_DAYS);
    this.settings = { models: new Models(env), retentionDays: retention.ok ? retention.days : null };
    this.watchers = new Watchers(ctx, () => this.load(), this.partials);
    this.effects = new Effects(ctx, env, openSeats, {
      current: () => this.#run,
      now: () => this.now(),
      seats: this.seats,
      traces: this.traces,
      webhooks: this.webhooks,
      owed: this.#owed,
      log: (event) =>
        this.#step((step) => {
          if (event) step.emit(event);
          settleBudget(step);
        }),
      repaired: (what, message) => this.repaired(what, message),
    });
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
    this.#run = new LoadedRun(store, this.settings);
    this.effects.loaded(this.#run);
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
  create(identity: Identity): LoadedRun {
    this.#run = new LoadedRun(RunStore.create(this.sql, { ...identity, life: newLife() }), this.settings);
    this.#run.state.isUntold = true;
    this.#noteBoot(this.#run);
    this.traces.begin(this.#run);
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
    // What happened elsewhere is the other collector's.
    this.traces.begin(run, run.state.header.seq);
    this.effects.forgetIndex();
    this.follow(run, ended);
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
      this.watchers.unstage();
      this.signals.releaseAll();
      this.followers.releaseAll();
      throw bug;
    }
  }

  /** One command: what is overdue happens first, then `decide`; a refusal changes nothing else. Any of its names gets the first answer. */
  command<T>(decide: Decide<T>, ...idems: (Idem | undefined)[]): Reply<T> {
    return this.#carryOut([{ decide, names: named(idems) }])[0] as Reply<T>;
  }

  /** As `command`, in one commit with others that came while the last one was under way (commits.ts): for what a busy run does often. */
  async together<T>(decide: Decide<T>, ...idems: (Idem | undefined)[]): Promise<Reply<T>> {
    const begunAt = Date.now();
    const reply = (await this.#commits.submit({ decide, names: named(idems) })) as Reply<T>;
    const tookMs = Date.now() - begunAt;
    if (tookMs >= objectSlowMs) this.#run?.state.availability.objectSlow(this.now(), tookMs);
    return reply;
  }

  #carryOut(commands: readonly Command[]): Reply<unknown>[] {
    const run = this.load();
    if (!run) return commands.map(() => notFound);
    const owed = [this.uses.owed(), this.#owed.owed()];
    const step = new Step(run.state, this.now(), () => owed.flatMap((take) => take()));
    const { replies, handed } = this.transaction(() => {
      run.store.log.stage(step.decided);
      runClock(step);
      finishStep(step);
      const answers = commands.map((command) => this.#answer(run, step, command));
      const started = this.#handOut(run, step);
      this.append(run, step);
      return { replies: answers, handed: started };
    });
    this.uses.logged();
    this.#owed.logged();
    this.seats.deliver(handed);
    this.follow(run, step.ended);
    return replies;
  }

  /** A step that nobody asked for: what is overdue, and `work`. */
  #step(work: (step: Step) => void): void {
    this.command((step) => {
      work(step);
      return ok(null);
    });
  }

  /** A seat that found nothing has closed: that costs no row of its own. */
  seatClosed(nonce: string): void {
    const run = this.#run;
    if (!this.seats.close(nonce) || !run) return;
    const at = this.now();
    const why = whyClosed(run.state);
    this.#owed.set(`seat ${nonce}`, () => {
      const ago = this.now() - at;
      return { type: "seat_closed", seat: nonce, why, ...(ago > 0 && { ago_ms: ago }) };
    });
  }

  /** The next hosted work for a seat, in the step under way; nothing for one that broke while its question waited for this step. */
  startHosted(step: Step, run: LoadedRun, next: NextTask): SeatJob | undefined {
    if (this.seats.isBroken(next.nonce)) return undefined;
    const watched = this.partials.isWatched(step.now);
    if (this.seats.isUnlogged(next.nonce) && hasHostedWork(run.state, step.now)) {
      this.seats.logged(next.nonce);
      step.emit({ type: "seat_opened", seat: next.nonce });
    }
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
      const first = this.firstAnswer(run, idem);
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
      this.effects.writes();
      run.store.append(step.decided, step.now);
      this.watchers.stage(step.decided, step.now);
      this.webhooks.saw(run, step.decided);
      run.store.checkpointIfDue(run.state);
    }
    run.store.log.stage([]);
  }

  /** What a key was answered with, or the fault that it was for something else. */
  firstAnswer(run: LoadedRun, idem: Idem): Reply<unknown> | undefined {
    const known = run.store.outcome(idem.key);
    if (!known) return undefined;
    if (known.fingerprint === idem.fingerprint) return ok(JSON.parse(known.value) as unknown);
    return refuse({ code: "idempotency_mismatch" });
  }

  /**
   * A runtime that is gone can't renew its hosted leases: they end at once, not when they expire. Pull workers could not
   * reach it meanwhile, so their leases last over it. Only local runtimes have a boot: an object of a deployment is loaded anew
   * whenever it was idle, and to extend leases then would keep a lost worker's for ever.
   */
  #afterRestart(): void {
    const run = this.#run!;
    const boot = bootOf(this.#env);
    const step = new Step(run.state, this.now());
    this.transaction(() => {
      endAttemptsOfOtherBoots(step, boot);
      holdToDeployment(step, this.rules);
      if (boot !== "") this.#lastOverRestarts(run, boot, step.now);
      finishStep(step);
      this.append(run, step);
    });
    this.follow(run, step.ended);
  }

  /** An object that was idle and is loaded again in the same boot has the same terms as before. */
  #lastOverRestarts(run: LoadedRun, boot: string, now: number): void {
    const { store, state } = run;
    const restarts = JSON.parse(store.meta("restarts") ?? "[]") as number[];
    if (store.meta("boot") !== boot) {
      this.traces.restarted(run, now);
      store.setMeta("boot", boot);
      restarts.push(now);
      store.setMeta("restarts", JSON.stringify(restarts.slice(-restartsKeptMax)));
    }
    extendOverRestarts(state, restarts);
  }

  /** What follows a commit (H3). */
  follow(run: LoadedRun, ended: readonly number[]): void {
    this.signals.committed(ended);
    this.followers.committed();
    this.watchers.committed();
    this.effects.committed(run);
  }

  /** The alarm has rung: `others` is what it may have rung for in an object without a run, and answers whether it did. Never throws. */
  async alarm(scheduledAt: number, others: () => Promise<boolean>): Promise<void> {
    await this.effects.rang(scheduledAt, others, () => {
      this.#step(() => undefined);
      this.#run?.store.dropOldOutcomes(this.now());
    });
  }

  /** Tells the operator, and the run's findings, that something was put right that no code of ours leaves wrong. */
  repaired(what: "alarm" | "gate" | "index", message: string): void {
    console.warn("repaired", { run: this.#run?.id, what });
    this.#step((step) => {
      step.emit({ type: "finding", kind: "repaired", severity: "info", subjects: [], message });
    });
  }

  /** Forgets the run in memory, with one write to its tables after which `load` does not find it. */
  drop(write: (store: RunStore) => void): void {
    this.transaction(() => write(this.stage()));
    this.#forgetMemory();
  }

  /** Deletes all storage and the memory. */
  async forget(): Promise<void> {
    this.#forgetMemory();
    await this.#ctx.storage.deleteAll();
    await this.effects.removeAlarm();
  }

  #forgetMemory(): void {
    if (this.#run) this.#run.isGone = true;
    this.#run = undefined;
    this.traces.forget();
    this.webhooks.forget();
    this.uses.forget();
    this.#owed.clear();
    this.effects.forget();
    this.partials.forget();
    this.signals.releaseAll();
    this.followers.releaseAll();
    this.watchers.gone();
  }
}

function whyClosed(state: RunState): "idle" | "target" | "paused" | "ended" {
  if (isRunEnded(state)) return "ended";
  if (state.header.status === "paused") return "paused";
  return seatsWanted(state) > shareOf(state) ? "target" : "idle";
}
