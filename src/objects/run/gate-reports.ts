/**
 * What a run tells its tenant's gate of itself, and what it makes of the answer.
 *
 * Q1. One report at a time. It says all, so one that is lost, late or doubled is put right by the next.
 * Q2. At once when the run begins to want seats, when it could use more than it has, and when it wants none any more, though not more
 *     often than `runReportAtOnceMs`; else every `runReportEveryMs` while it wants any. So no task waits for the gate, and none costs a
 *     call of it.
 * Q4. So it is with tokens where there is a quota: before they are used up, and while the run waits for more. A run that has had nothing to
 *     use them for, for `runReportIdleMs`, gives back what it has: its tasks may wait for days, and others have work now.
 * Q3. A share that became smaller holds from the next thing that the log is told of, and costs no row of its own; a larger one has one,
 *     since seats are to open by it.
 * Q5. While a limit of a model binds, how it stands is told every `limitReportEveryMs`: other runs share it.
 * Q6. A last word that the gate did not take, of a run that has ended or wants nothing, is said again every `runReportIdleMs` until it does: no
 *     other would put it right, and the gate would keep for the run what nobody uses.
 */

import { dayOf } from "../../fairness/allowances.ts";
import { addUse, noUse, type Use } from "../../fairness/use.ts";
import {
  limitReportEveryMs,
  quotaAskEveryMs,
  runReportAtOnceMs,
  runReportEveryMs,
  runReportIdleMs,
  runReportWaitMs,
} from "../../limits.ts";
import { spentTokens } from "../../scheduler/budget.ts";
import type { SchedulerEvent } from "../../scheduler/events.ts";
import { mayUseTokens, quotaEvent } from "../../scheduler/quotas.ts";
import { seatsWanted, shareOf, shareTold, shareWithoutGate } from "../../scheduler/seat-shares.ts";
import { isRunEnded } from "../../scheduler/state.ts";
import { within } from "../../within.ts";
import type { RunReport, RunTerms } from "../gate-rpc.ts";
import { LimitReports } from "./limit-reports.ts";
import { importedEventsName, type LoadedRun } from "./loaded-run.ts";

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
  /** Stored by the object. */
  readonly bytes: () => number;
}

export class GateReports {
  readonly #around: Around;
  #use: Use = noUse;
  /** Up to when `#use` has been counted, with how many seats at work since, and of how many tokens. */
  #counted: { readonly at: number; readonly seats: number; readonly tokens: number } | undefined;
  /** The most that was wanted since the last report. */
  #most = 0;
  #last = nothingTold;
  /** Of the tokens that it was allowed last, how many were left then. */
  #block = 0;
  /** Since when no task could use any; undefined: one could. */
  #idleSince: number | undefined;
  #isTelling = false;
  #underWay: Promise<void> | undefined;
  readonly #limits = new LimitReports();

  constructor(around: Around) {
    this.#around = around;
  }

  /** After every command: counts what was used, and reports where that is due. */
  tell(run: LoadedRun): void {
    const now = this.#around.now();
    this.#count(run, now);
    this.#idleSince = hasUse(run) ? undefined : (this.#idleSince ?? now);
    this.#most = Math.max(this.#most, wanted(run));
    if ((this.dueAt(run) ?? Number.POSITIVE_INFINITY) > now || this.#isTelling) return;
    this.#isTelling = true;
    this.#underWay = this.#report(run, now);
    this.#around.waitUntil(this.#underWay);
  }

  /** When the next report is due; undefined: when something happens. */
  dueAt(run: LoadedRun): number | undefined {
    if (this.#isTelling) return undefined;
    const demand = wanted(run);
    const { at, demand: told, seq, isBusy: wasBusy } = this.#last;
    const { state } = run;
    const begins = (demand > 0 && told === 0) || (isBusy(run) && !wasBusy);
    const grows = demand > told && demand > shareOf(state);
    const isOver = (demand === 0 && told > 0) || (isRunEnded(state) && wasBusy);
    if (begins || grows || isOver || this.#needsTokens(run)) return at + runReportAtOnceMs;
    if (state.header.quota) return at + quotaAskEveryMs;
    if (demand > 0) return at + (state.availability.isLimited() ? limitReportEveryMs : runReportEveryMs);
    if (this.#idleSince !== undefined && this.#keepsTokens(run)) return Math.max(at, this.#idleSince) + runReportIdleMs;
    return state.header.seq === seq ? undefined : Math.max(at, state.header.createdAt) + runReportIdleMs;
  }

  /** Half of what it was given is used up. */
  #needsTokens(run: LoadedRun): boolean {
    const { allowed } = run.state;
    if (allowed === Number.POSITIVE_INFINITY || !isBusy(run) || !hasUse(run)) return false;
    return allowed - spentTokens(run.state) <= this.#block / 2;
  }

  /** It was given some that it has not used. */
  #keepsTokens(run: LoadedRun): boolean {
    const { allowed } = run.state;
    return allowed < Number.POSITIVE_INFINITY && isBusy(run) && allowed > spentTokens(run.state);
  }

  #wantsTokens(run: LoadedRun, now: number): boolean {
    if (!isBusy(run) && run.state.header.quota === undefined) return false;
    return hasUse(run) || (this.#idleSince !== undefined && now < this.#idleSince + runReportIdleMs);
  }

  /** All of its tokens are of today, and used here. */
  #isFresh({ state, store }: LoadedRun, now: number): boolean {
    return dayOf(state.header.createdAt) === dayOf(now) && store.meta(importedEventsName) === undefined;
  }

  /** A report is under way. */
  get isTelling(): boolean {
    return this.#isTelling;
  }

  /** Until the gate has what was sent to it last, or that is given up. */
  async arrived(): Promise<void> {
    await this.#underWay;
  }

  /** Reports at once, whatever was told before: something may be otherwise at the gate. */
  anew(run: LoadedRun | undefined): void {
    this.#last = { ...this.#last, at: Number.NEGATIVE_INFINITY, seq: 0 };
    if (run) this.tell(run);
  }

  /** Of another run, or none. */
  clear(): void {
    this.#use = noUse;
    this.#counted = undefined;
    this.#idleSince = undefined;
    this.#most = 0;
    this.#last = nothingTold;
    this.#limits.clear();
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
    this.#last = { at: now, demand, seq: run.state.header.seq, isBusy: isBusy(run) };
    const { life } = run.store.identity();
    const report: RunReport = {
      ...{ tenant: run.tenant, run: run.id, ...(life !== undefined && { life }), demand, use: this.#use },
      tokens: { spent: spentTokens(run.state), isFresh: this.#isFresh(run, now), wants: this.#wantsTokens(run, now) },
      bytes: this.#around.bytes(),
      limits: this.#limits.of(run),
    };
    const terms = await within(runReportWaitMs, this.#around.report(report)).catch((error: unknown) => {
      console.warn("the gate is away", { run: run.id, error: String(error) });
    });
    this.#isTelling = false;
    // Whoever has its place by now had nothing to say while this was under way.
    if (!this.#around.isCurrent(run)) return this.#around.arm();
    try {
      if (terms) this.#take(run, report, terms);
      else {
        // Q6: as if it had not been said.
        this.#last = { ...this.#last, seq: 0 };
        this.#doWithout(run);
      }
    } catch (error) {
      // Nobody waits for it. What broke has dropped the run's memory, and the next command comes upon it too.
      console.error("the gate's word was not taken", { run: run.id, error: String(error) });
    }
    this.#around.arm();
  }

  #take(
    run: LoadedRun,
    { demand, limits: sent = [] }: RunReport,
    { seats, why, tokens, full, limits = [] }: RunTerms,
  ): void {
    const { state } = run;
    if (isRunEnded(state)) return;
    if (this.#limits.take(run, sent, limits, this.#around.now())) this.#around.log(undefined);
    const before = shareOf(state);
    const wasDry = !mayUseTokens(state);
    state.allowed = tokens?.allowed ?? Number.POSITIVE_INFINITY;
    this.#block = Math.max(0, state.allowed - spentTokens(state));
    state.full = full;
    const quota = quotaEvent(state, tokens);
    if (quota) this.#around.log(quota);
    else if (wasDry && mayUseTokens(state)) this.#around.log(undefined);
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

const nothingTold = { at: Number.NEGATIVE_INFINITY, demand: 0, seq: 0, isBusy: false };

/** It has something to do, in whatever pool. */
const isBusy = ({ state }: LoadedRun): boolean => state.header.status === "active" && state.liveCount() > 0;
/** A task of it works, or could. */
const hasUse = ({ state }: LoadedRun): boolean => state.header.counts.running + state.header.counts.ready > 0;

const wanted = ({ state }: LoadedRun): number => (isRunEnded(state) ? 0 : seatsWanted(state));
