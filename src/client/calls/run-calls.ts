/** Calls about a run as a whole, and its rules. */

import type { RulesCheck, RulesTrial, RulesView, RunsPage, RunView } from "../replies.ts";
import type { RunSpec, RunsQuery } from "../requests.ts";
import type { CallOptions } from "../transport.ts";
import { at } from "./calls.ts";
import { TenantCalls } from "./tenant-calls.ts";

/** Calls about a run as a whole, and its rules. */
export class RunCalls extends TenantCalls {
  /** A new run. @throws HeddleProblem `validation_failed` */
  createRun(run: RunSpec, options: CallOptions = {}): Promise<RunView> {
    return this.postJson("/v1/runs", run, options);
  }
  /** A page of runs, oldest first, or with `order: "desc"` newest first. */
  listRuns(query: RunsQuery = {}, options: CallOptions = {}): Promise<RunsPage> {
    return this.getJson("/v1/runs", { ...query }, options);
  }
  /** A run as it is now. */
  run(run: string, options: CallOptions = {}): Promise<RunView> {
    return this.getJson(at(run), {}, options);
  }
  /** Deletes it with everything it has. */
  async deleteRun(run: string, options: CallOptions = {}): Promise<void> {
    await this.transport.remove(at(run), options);
  }
  /** Starts nothing new; turns in flight end. */
  pauseRun(run: string, options: CallOptions = {}): Promise<RunView> {
    return this.postJson(`${at(run)}/pause`, {}, options);
  }
  /** Goes on. @throws HeddleProblem `run_not_paused` */
  resumeRun(run: string, options: CallOptions = {}): Promise<RunView> {
    return this.postJson(`${at(run)}/resume`, {}, options);
  }
  /** Cancels everything in it and ends it. */
  cancelRun(run: string, body: { reason?: string } = {}, options: CallOptions = {}): Promise<RunView> {
    return this.postJson(`${at(run)}/cancel`, body, options);
  }
  /** Ends a run without a root. @throws HeddleProblem `tasks_live` while any live, unless `cancel` */
  finishRun(run: string, body: { cancel?: boolean } = {}, options: CallOptions = {}): Promise<RunView> {
    return this.postJson(`${at(run)}/finish`, body, options);
  }
  /** New totals, of tokens, of dollars or of both. @throws HeddleProblem `below_spent` */
  setBudget(run: string, body: { tokens?: number; usd?: number }, options: CallOptions = {}): Promise<RunView> {
    return this.postJson(`${at(run)}/budget`, body, options);
  }
  /** How long the run is kept after its end, counted from there; also once it has ended. */
  retainRun(run: string, body: { days: number }, options: CallOptions = {}): Promise<RunView> {
    return this.postJson(`${at(run)}/retain`, body, options);
  }

  /** What rules in Markdown say. @throws HeddleProblem `rules_invalid`, whose errors have lines */
  checkRules(rules: string, options: CallOptions = {}): Promise<RulesCheck> {
    return this.postJson("/v1/rules/check", { rules }, options);
  }

  /** What rules in Markdown would have done in a run, by its log. @throws HeddleProblem `rules_invalid`, `log_too_long` */
  tryRules(run: string, rules: string, options: CallOptions = {}): Promise<RulesTrial> {
    return this.postJson(`${at(run)}/rules/try`, { rules }, options);
  }
  /** The rules that a run is held to: its own, its tenant's and the deployment's, with those that bind it now. */
  rules(run: string, options: CallOptions = {}): Promise<RulesView> {
    return this.getJson(`${at(run)}/rules`, {}, options);
  }
  /** Replaces a run's own rules, in Markdown; "" takes them away. @throws HeddleProblem `rules_invalid`, whose errors have lines */
  setRules(run: string, rules: string, options: CallOptions = {}): Promise<RunView> {
    return this.putJson(`${at(run)}/rules`, { rules }, options);
  }
}
