/**
 * A tenant's seats: how many the deployment leaves it, and how its runs share them.
 *
 * T1. Nothing is stored: runs report again within seconds, and the deployment's gate answers again within half a minute.
 * T2. The deployment's gate is asked every half minute while the tenant has a demand, every ten seconds while there are fewer seats than
 *     are wanted, and at once (though not more often than
 *     `gateAsksAtOnceMs`) when it could use more than it was left, or when it begins or ceases to want any. While that gate is away the
 *     tenant goes on with what it was told last; one that was never told may have all.
 */

import { ClaimBook } from "../fairness/book.ts";
import { gateAsksAtOnceMs, gateAsksEveryMs, gateAsksScarceMs, gateAsksWaitMs } from "../limits.ts";
import { within } from "../within.ts";
import type { DeploymentGateRpc, RunReport, RunTerms, TenantTerms } from "./gate-rpc.ts";

interface Around {
  readonly deployment: () => DeploymentGateRpc;
  /** All seats of the deployment. */
  readonly seats: () => number;
  /** As many as the tenant may have at most, whoever else wants any. */
  readonly quota: () => number | undefined;
}

export class TenantShares {
  readonly #around: Around;
  readonly #book = new ClaimBook();
  #told: TenantTerms | undefined;
  /** The last question: when, and of which demand. */
  #asked = { at: Number.NEGATIVE_INFINITY, demand: 0 };
  #asking: Promise<void> | undefined;
  /** Whose these are, once a run has said it. */
  #tenant = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(around: Around) {
    this.#around = around;
  }

  /** What a run may use; of one that wants nothing, what it might. */
  async report({ tenant, run, demand, use }: RunReport): Promise<Pick<RunTerms, "seats" | "why">> {
    this.#tenant = tenant;
    if (demand === 0) this.#book.leave(run, use, Date.now());
    else this.#book.claim(run, { demand, use }, Date.now());
    const asking = this.#askIfDue(Date.now());
    // Whoever asks is answered with what is right now, if that comes soon.
    if (asking) await within(gateAsksWaitMs, asking).catch(() => undefined);
    const now = Date.now();
    const all = Math.min(this.#around.seats(), this.#around.quota() ?? Number.POSITIVE_INFINITY);
    const ours = Math.min(all, this.#told?.seats ?? all);
    const among = this.#book.others(run, now) > 0;
    return {
      seats: this.#book.targets(ours, now).get(run) ?? ours,
      why: (among || this.#around.quota() === ours) && ours === all ? "tenant" : "deployment",
    };
  }

  /** Seats that its runs could use now, by what they have said. */
  demand(): number {
    return this.#book.total(Date.now()).demand;
  }

  forget(run: string): void {
    this.#book.forget(run, Date.now());
    void this.#askIfDue(Date.now());
  }

  /** The tenant is deleted. */
  clear(): void {
    this.#book.clear();
    void this.#askIfDue(Date.now());
  }

  /** Something to wait for where the answer may be another than what is known. */
  #askIfDue(now: number): Promise<void> | undefined {
    const { demand } = this.#total(now);
    const hasBegun = this.#told === undefined && demand > 0;
    const isOver = demand === 0 && this.#asked.demand > 0;
    const wantsMore = this.#told !== undefined && demand > this.#told.seats && demand > this.#asked.demand;
    if (this.#asking) return hasBegun || wantsMore ? this.#asking : undefined;
    const since = now - this.#asked.at;
    if (isOver && since < gateAsksAtOnceMs) {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        void this.#askIfDue(Date.now());
      }, gateAsksAtOnceMs - since);
      return undefined;
    }
    const isDue = demand > 0 && since >= (this.#told?.isScarce ? gateAsksScarceMs : gateAsksEveryMs);
    if (!(hasBegun || isOver || isDue || (wantsMore && since >= gateAsksAtOnceMs))) return undefined;
    this.#ask(now);
    return demand > 0 ? this.#asking : undefined;
  }

  /** What its quota keeps it from using is others'. */
  #total(now: number): ReturnType<ClaimBook["total"]> {
    const { demand, use } = this.#book.total(now);
    return { demand: Math.min(demand, this.#around.quota() ?? demand), use };
  }

  #ask(now: number): void {
    const tenant = this.#tenant;
    const { demand, use } = this.#total(now);
    this.#asked = { at: now, demand };
    this.#asking = this.#around
      .deployment()
      .report({ tenant, demand, use })
      .then(
        (terms) => {
          // It has a claim no more: whatever it is left then says nothing of later.
          this.#told = demand > 0 ? terms : undefined;
        },
        (error: unknown) => console.warn("the deployment's gate is away", { tenant, error: String(error) }),
      )
      .finally(() => {
        this.#asking = undefined;
        // No run reports any more that would ask for it: it ended while this question was under way.
        if (this.#total(Date.now()).demand === 0) void this.#askIfDue(Date.now());
      });
  }
}
