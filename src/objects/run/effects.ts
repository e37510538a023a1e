/**
 * What a run's commits have for effects outside its object: seats open, pushes go, the gate and the run index learn, the alarm is set.
 *
 * H3 of shell.ts holds for each: it comes after the commit, and can be repeated. One that is lost is done again by the alarm or the sweep.
 */

import type { RunStatus } from "../../contract/shapes.ts";
import { faults } from "../../errors/faults.ts";
import { base32 } from "../../ids.ts";
import { urlCallsAtOnce } from "../../limits.ts";
import { startableIn } from "../../scheduler/attempts.ts";
import { nextClock } from "../../scheduler/clock.ts";
import type { SchedulerEvent } from "../../scheduler/events.ts";
import { nextCall, urlPool } from "../../scheduler/remote-calls.ts";
import { isRunEnded, type RunState } from "../../scheduler/state.ts";
import { hostedPool } from "../../scheduler/task.ts";
import { bootOf } from "../boot.ts";
import { type Env, gateStub } from "../env.ts";
import type { LeaseWishes } from "../rpc.ts";
import type { OpenSeats } from "../seat-port.ts";
import type { SeatTicket } from "../seat-rpc.ts";
import { RunAlarm } from "./alarm.ts";
import { Announcements } from "./announcements.ts";
import { GateReports } from "./gate-reports.ts";
import { IndexTelling } from "./index-telling.ts";
import { KeptLateness } from "./kept-lateness.ts";
import type { LoadedRun } from "./loaded-run.ts";
import type { OwedEvents } from "./owed-events.ts";
import type { Seats } from "./seats.ts";
import type { TracePushes } from "./trace-pushes.ts";
import type { Webhooks } from "./webhooks.ts";

/** Short, as it stands in the log with each task that the seat takes; told apart only from others of the same run. */
const seatNonce = () => base32(crypto.getRandomValues(new Uint8Array(12)), 12);

/** What the shell has of its run. */
interface Around {
  /** The run in memory, if there is one. */
  readonly current: () => LoadedRun | undefined;
  readonly now: () => number;
  readonly seats: Seats;
  readonly traces: TracePushes;
  readonly webhooks: Webhooks;
  readonly owed: OwedEvents;
  /** Logs it in a step of its own; without an event, looks what may go on now. */
  readonly log: (event: SchedulerEvent | undefined) => void;
  readonly repaired: (what: "alarm" | "gate" | "index", message: string) => void;
}

export class Effects {
  readonly #ctx: DurableObjectState;
  readonly #openSeats: OpenSeats;
  readonly #around: Around;
  readonly #alarm: RunAlarm;
  readonly #announcements: Announcements;
  readonly #reports: GateReports;
  readonly #index: IndexTelling;
  readonly #keptLateness: KeptLateness;
  #retryAt = Number.POSITIVE_INFINITY;

  constructor(ctx: DurableObjectState, env: Env, openSeats: OpenSeats, around: Around) {
    this.#ctx = ctx;
    this.#openSeats = openSeats;
    this.#around = around;
    const { now, owed } = around;
    const isCurrent = (run: LoadedRun) => around.current() === run;
    const repeatable = (word: Promise<unknown>, forget: () => void) => this.#repeatable(word, forget);
    this.#alarm = new RunAlarm(ctx);
    this.#keptLateness = new KeptLateness(bootOf(env));
    this.#announcements = new Announcements({
      gate: ({ tenant }) => gateStub(env, tenant),
      isCurrent,
      now,
      repeatable,
      wasForgotten: ({ pool, tool }) => {
        const what = tool === undefined ? "tasks" : `calls of ${tool}`;
        around.repaired(
          "gate",
          `The tenant's gate had forgotten that ${what} of pool "${pool}" are ready. It was told again; workers that asked meanwhile were not given them.`,
        );
      },
    });
    this.#index = new IndexTelling({ db: env.DB, now, repeatable });
    this.#reports = new GateReports({
      report: (report) => gateStub(env, report.tenant).report(report),
      isCurrent,
      now,
      waitUntil: (work) => ctx.waitUntil(work),
      log: around.log,
      owe: (event) => owed.set("seat_target", event && (() => event)),
      arm: () => this.arm(),
      bytes: () => ctx.storage.sql.databaseSize + (around.current()?.store.variables.storedBytes ?? 0),
    });
  }

  /** The run is in memory, as it was stored: nothing has been logged since. */
  loaded(run: LoadedRun): void {
    this.#keptLateness.restore(run.store, this.#around.seats);
    this.#index.loaded(run);
  }

  /** Something is about to be written (RunAlarm.writes). */
  writes(): void {
    this.#alarm.writes();
  }

  /** All that follows a commit. */
  committed(run: LoadedRun): void {
    this.#openWantedSeats(run);
    this.push(run);
    this.#announcements.announce(run);
    this.#reports.tell(run);
    this.#index.tell(run);
    this.arm();
  }

  #openWantedSeats(run: LoadedRun): void {
    const { state } = run;
    const { seats } = this.#around;
    const now = this.#around.now();
    state.availability.openings = seats.opening;
    state.availability.seatsLate(now, seats.late(now));
    const shards = seats.wanted(startableIn(state, hostedPool, now) + urlCallsWanted(state, now), now);
    const tickets = shards.map((shard) => ({ tenant: run.tenant, run: run.id, nonce: seatNonce(), shard }));
    for (const ticket of tickets) seats.sent(ticket, now);
    this.#keptLateness.keep(run.store, seats);
    this.#send(run, tickets);
  }

  /** What is due to the deployment's collector and to the run's webhook. A push that was lost is given up after a while, and then sent again. */
  push(run: LoadedRun): void {
    const { traces, webhooks } = this.#around;
    const now = this.#around.now();
    const due = [traces.next(run, now, seatNonce), webhooks.next(run, now, seatNonce)];
    this.#send(
      run,
      due.filter((ticket) => ticket !== undefined),
    );
  }

  /** What was not sent is sent again when it has not opened in time. */
  #send(run: LoadedRun, tickets: readonly SeatTicket[]): void {
    if (tickets.length === 0) return;
    const failed = (error: unknown) => console.error(faults.queue_refused.log, { run: run.id, error: String(error) });
    this.#ctx.waitUntil(this.#openSeats(tickets).catch(failed));
  }

  #repeatable(effect: Promise<unknown>, forget: () => void): void {
    const retry = () => {
      forget();
      this.#retryAt = Date.now() + faults.database_unavailable.retry.afterMs;
      this.arm();
    };
    this.#ctx.waitUntil(effect.then(() => undefined, retry));
  }

  // ---- the gate --------------------------------------------------------------------------------------------------------

  /** Tells the gate again what is ready, with the next command: a word of an earlier life of this object may have come late. */
  announceAnew(): void {
    this.#announcements.anew();
    this.askGate();
  }

  /** The same for the sweep: an object that was loaded for its call is at it. */
  announceOnVisit(): void {
    if (this.#reports.isTelling) this.#announcements.anew();
    else this.announceAnew();
  }

  /** A quota may have been raised. */
  askGate(): void {
    const run = this.#around.current();
    if (run && !isRunEnded(run.state)) this.#reports.anew(run);
  }

  /** To be waited for before the gate forgets the run: a report that came behind that would count for ever. */
  async reported(): Promise<void> {
    await this.#reports.arrived();
  }

  announcedEmpty(asked: { readonly pool: string } & LeaseWishes): void {
    this.#announcements.wasEmpty(this.#around.current(), asked);
  }

  // ---- the index of runs -----------------------------------------------------------------------------------------------

  /** The run is another one: what the index was told of the last says nothing. */
  forgetIndex(): void {
    this.#index.forget();
  }

  /** For the sweep, which corrects it: a wrong word is a finding. */
  checkIndexed(run: LoadedRun | undefined, indexed: RunStatus): void {
    if (!run || !this.#index.isWrong(run, indexed)) return;
    this.#around.repaired(
      "index",
      `The index of runs had it as ${indexed} when the sweep came, and lists showed that. It is corrected.`,
    );
  }

  /** For the meter, which may then leave it alone: its next event is told to the index. */
  isQuiet(run: LoadedRun): boolean {
    return this.#index.isQuiet(run);
  }

  // ---- the alarm -------------------------------------------------------------------------------------------------------

  /** Sets the alarm when something is due before it would ring. */
  arm(earliest = 0): void {
    const run = this.#around.current();
    if (!run) return;
    const { seats, traces, webhooks } = this.#around;
    const clock = nextClock(run.state) ?? Number.POSITIVE_INFINITY;
    const opening = seats.nextCheck() ?? Number.POSITIVE_INFINITY;
    const pushes = Math.min(traces.dueAt(run, this.#around.now()), webhooks.dueAt(run));
    const report = this.#reports.dueAt(run) ?? Number.POSITIVE_INFINITY;
    this.#alarm.arm(Math.min(clock, opening, this.#retryAt, pushes, report), earliest, run.id);
  }

  /** Rings the alarm at that time: for an object that has no run, and so no clock. */
  async remind(at: number): Promise<void> {
    if (!this.#around.current()) await this.#alarm.remind(at);
  }

  /** The alarm has rung: `others` is what it may have rung for in an object without a run, and answers whether it did. Never throws. */
  async rang(scheduledAt: number, others: () => Promise<boolean>, work: () => void): Promise<void> {
    await this.#alarm.ring(scheduledAt, this.#around.current()?.id, async () => {
      if (await others()) return;
      this.#alarm.rang();
      this.#retryAt = Number.POSITIVE_INFINITY;
      work();
      // One that is set to the very time it rang at would be stored and never ring.
      this.arm(scheduledAt + 1);
      this.#alarm.worked();
    });
  }

  /** For the sweep: sets the alarm again where what storage has does not ring in time for the run's next clock (A1). */
  async repairAlarm(load: () => LoadedRun | undefined): Promise<void> {
    const before = this.#around.current();
    const dueBefore = before && nextClock(before.state);
    const wrongFor = await this.#alarm.look();
    // Whoever came meanwhile has set it himself.
    if (this.#around.current() !== before) return;
    const run = load();
    const due = run && nextClock(run.state);
    if (due === undefined || (before && due !== dueBefore)) return;
    const wrong = wrongFor(due);
    if (wrong === undefined) return;
    this.#alarm.rang();
    this.#around.repaired(
      "alarm",
      `Its alarm was ${wrong} when the sweep came. It is set again, and what was due is done: nothing was lost, but it came late.`,
    );
  }

  /** Goes last when all storage is deleted: it is what carries on when that breaks off. */
  async removeAlarm(): Promise<void> {
    await this.#alarm.remove();
    this.#announcements.clear();
    this.#index.forget();
  }

  /** The run has left memory for good. */
  forget(): void {
    this.#keptLateness.forget();
    this.#reports.clear();
  }
}

/** Calls of urls that seats can begin now. */
const urlCallsWanted = (state: RunState, now: number): number =>
  nextCall(state, urlPool, now)
    ? Math.min(state.openCalls.readyIn(urlPool), urlCallsAtOnce - state.openCalls.urlsRunning)
    : 0;
