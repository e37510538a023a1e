/**
 * What a run's reports to its tenant's gate say of its models' limits, and what it makes of the answer (SPEC V6).
 *
 * Owns: under which name a credential's model is known to the gate, and what was sent last.
 * Does not own: when a report is due (gate-reports.ts), the shares (availability/limit-book.ts).
 */

import type { LimitReport, LimitTerms } from "../../availability/limit-book.ts";
import { modelsWanted } from "../../scheduler/availability.ts";
import { limitKey } from "./availability-view.ts";
import type { LoadedRun } from "./loaded-run.ts";

export class LimitReports {
  /** Models that the gate was told of as wanted. */
  readonly #claimed = new Set<string | undefined>();

  /** All that are called, and, once more, what is not called any more. */
  of(run: LoadedRun): LimitReport[] {
    const reports: LimitReport[] = [];
    for (const { name, inFlight, limit, wanted } of modelsWanted(run.state)) {
      if (wanted === 0 && !this.#claimed.has(name)) continue;
      const key = limitKey(run, name);
      if (key === undefined) continue;
      if (wanted > 0) this.#claimed.add(name);
      else this.#claimed.delete(name);
      const { ceiling, why } = limit;
      const stands = { limit: limit.limit, ceiling, inFlight, wanted, ...(why && { why }) };
      reports.push({ key, ...(name !== undefined && { limiter: name }), ...stands });
    }
    return reports;
  }

  /** Answers whether more calls may begin than before. */
  take({ state }: LoadedRun, sent: readonly LimitReport[], terms: readonly LimitTerms[], now: number): boolean {
    let hasMore = false;
    for (const { limiter, limit: reported } of sent) {
      const told = terms.find((one) => one.limiter === limiter);
      if (state.availability.share(limiter, { reported, told }, now)) hasMore = true;
    }
    return hasMore;
  }

  clear(): void {
    this.#claimed.clear();
  }
}
