/**
 * What a run tells its tenant's gate of itself, and what it makes of the answer.
 *
 * Q1. One report at a time. It says all, so one that is lost, late or doubled is put right by the next.
 * Q2. At once when the run begins to want seats, when it could use more than it has, and when it wants none any more, though not more
 *     often than `runReportAtOnceMs`; else every `runReportEveryMs` while it wants any. So no task waits for the gate, and none costs a
 *     call of it.
 * Q3. A share that became smaller holds from the next thing that the log is told of, and costs no row of its own; a larger one has one,
 *     since seats are to open by it.
 */

import { addUse, noUse, type Use } from "../../fairness/use.ts";
import { runReportAtOnceMs, runReportEveryMs, runReportWaitMs } from "../../limits.ts";
import { spentTokens } from "../../scheduler/budget.ts";
import type { SchedulerEvent } from "../../scheduler/events.ts";
import { seatsWanted, shareOf, shareTold, shareWithoutGate } from "../../scheduler/seat-shares.ts";
import { isRunEnded } from "../../scheduler/state.ts";
import { within } from "../../within.ts";
import type { RunReport, RunTerms } from "../gate-rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";

interface Around {
  readonly report: (report: RunReport) => Promise<RunTerms>;
  readonly isCurrent: (run: LoadedRun) => boolean;
  readonly now: () => number;
  readonly waitUntil: (work: Promise<unknown>) => void;
  /** Logs it in a step of its own; without an event, looks what may go on now. */
  readonly log: (event: SchedulerEvent | undefined) => void;
  /** Logs it with the next step that has anything to log, in place of what was to be logged so. */
  readonly owe: (event: SchedulerEvent | undefined) => void;
  readonly arm: () => void;
}

export class GateReports {
  readonly #around: Around;
  #use: Use = noUse;
  /** Up to when `#use` has been counted, with how many seats at work since, and of how many tokens. */
  #counted: { readonly at: number; readonly seats: number; readonly tokens: number } | undefined;
  /** The most that was wanted since the last report. */
  #most = 0;
  #last = { at: Number.NEGATIVE_INFINITY, demand: 0 };
  #isTelling = false;

  constructor(around: Around) {
    this.#around = around;
  }

  /** After every command: counts what was used, and reports where that is due. */
  tell(run: LoadedRun): void {
    const now = this.#around.now();
    this.#count(run, now);
    this.#most = Math.max(this.#most, wanted(run));
    if ((this.dueAt(run) ?? Number.POSITIVE_INFINITY) > now || this.#isTelling) return;
    this.#isTelling = true;
    this.#around.waitUntil(this.#report(run, now));
  }

  /** When the next report is due; undefined: when something happens. */
  dueAt(run: LoadedRun): number | undefined {
    if (this.#isTelling) return undefined;
    const demand = wanted(run);
    const { at, demand: told } = this.#last;
    const begins = demand > 0 && told === 0;
    const grows = demand > told && demand > shareOf(run.state);
    const isOver = demand === 0 && told > 0;
    if (begins || grows || isOver) return at + runReportAtOnceMs;
    return demand > 0 ? at + runReportEveryMs : undefined;
  }

  /** Of another run, or none. */
  clear(): void {
    this.#use = noUse;
    this.#counted = undefined;
    this.#most = 0;
    this.#last = { at: Number.NEGATIVE_INFINITY, demand: 0 };
  }

  #count({ state }: LoadedRun, now: number): void {
    const tokens = spentTokens(state);
    const since = this.#counted;
    if (since) {
      const seatMs = Math.max(0, now - since.at) * since.seats;
      this.#use = addUse(this.#use, now, { tokens: Math.max(0, tokens - since.tokens), seatMs });
    }
    this.#counted = { at: now, seats: state.hosted, tokens };
  }

  async #report(run: LoadedRun, now: number): Promise<void> {
    const demand = wanted(run) > 0 ? this.#most : 0;
    this.#most = 0;
    this.#last = { at: now, demand };
    const report: RunReport = { tenant: run.tenant, run: run.id, demand, use: this.#use };
    const terms = await within(runReportWaitMs, this.#around.report(report)).catch((error: unknown) => {
      console.warn("the gate is away", { run: run.id, error: String(error) });
    });
    this.#isTelling = false;
    if (!this.#around.isCurrent(run)) return;
    try {
      if (terms) this.#take(run, demand, terms);
      else this.#doWithout(run);
    } catch (error) {
      // Nobody waits for it. What broke has dropped the run's memory, and the next command comes upon it too.
      console.error("the gate's word was not taken", { run: run.id, error: String(error) });
    }
    this.#around.arm();
  }

  #take(run: LoadedRun, demand: number, { seats, why }: RunTerms): void {
    const { state } = run;
    if (isRunEnded(state)) return;
    const before = shareOf(state);
    // Where it begins anew it is as a new run is.
    state.isUntold = demand === 0;
    state.told = demand === 0 ? undefined : { seats, why };
    const event = shareTold(state, demand === 0 ? { seats: Number.POSITIVE_INFINITY, why } : { seats, why });
    const mayWait = demand === 0 || shareOf(state) < before;
    this.#around.owe(mayWait ? event : undefined);
    if (!mayWait && (event || shareOf(state) > before)) this.#around.log(event);
  }

  #doWithout({ state }: LoadedRun): void {
    const before = shareOf(state);
    state.isUntold = false;
    const share = shareWithoutGate(state);
    if (share) state.told = share;
    if (shareOf(state) > before) this.#around.log(share && shareTold(state, share));
  }
}

const wanted = ({ state }: LoadedRun): number => (isRunEnded(state) ? 0 : seatsWanted(state));
