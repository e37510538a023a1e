/** The budget is going faster than the work. */

import type { TraceEvent } from "../trace-event.ts";
import type { Detector, Found } from "./found.ts";
import { percent, type RunFacts } from "./run-facts.ts";
import { subjectsMax, type Thresholds } from "./thresholds.ts";

export class BudgetBurn implements Detector {
  readonly #limits: Thresholds["budgetBurn"];
  readonly #byTask = new Map<number, number>();
  #budget = 0;
  #spent = 0;
  #created = 0;
  #ended = 0;
  #found:
    | { readonly seq: number; readonly share: number; readonly ended: number; readonly created: number }
    | undefined;

  constructor({ budgetBurn }: Thresholds) {
    this.#limits = budgetBurn;
  }

  event(event: TraceEvent): void {
    if (event.type === "run_created") this.#budget = event.limits.tokens;
    if (event.type === "limits_changed") {
      this.#budget = event.tokens;
      this.#found = undefined;
    }
    if (event.type === "task_created") this.#created++;
    if (event.type === "task_ended") this.#ended++;
    if (event.type === "task_retried") this.#ended--;
    if (!("usage" in event) || !event.usage) return;
    const tokens = event.usage.in + event.usage.out;
    this.#spent += tokens;
    if ("task" in event) this.#byTask.set(event.task, (this.#byTask.get(event.task) ?? 0) + tokens);
    const { spent, ended, tasks } = this.#limits;
    if (this.#found || this.#budget === 0 || this.#created < tasks || this.#spent < spent * this.#budget) return;
    if (this.#ended >= ended * this.#created) return;
    const share = this.#spent / this.#budget;
    this.#found = { seq: event.seq, share, ended: this.#ended, created: this.#created };
  }

  finish(facts: RunFacts): Found[] {
    if (!this.#found) return [];
    const { seq, share, ended, created } = this.#found;
    const most = [...this.#byTask].sort((a, b) => b[1] - a[1]).map(([task]) => task);
    return [
      {
        kind: "budget_burn",
        severity: "warning",
        subjects: most.slice(0, subjectsMax),
        evidence: [seq],
        message: `${percent(share)} of the ${this.#budget} tokens were spent when ${ended} of ${created} tasks had ended. Most went to ${facts.names(most, 3)}. Lower max_tokens of tasks, fork with {last: n} or "none" where the whole context is not needed, or raise the budget before the run pauses.`,
      },
    ];
  }
}
