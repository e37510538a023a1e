/** What was found out about a run: findings, traces, variables, usage. */

import type { CriticalPathView, FindingsPage, UsagePage, VariablesPage, VariableView } from "../replies.ts";
import type { PageQuery, TraceFormat, UsageQuery } from "../requests.ts";
import type { CallOptions } from "../transport.ts";
import { at } from "./calls.ts";
import { TaskCalls } from "./task-calls.ts";

/** What was found out about a run: findings, traces, variables, usage. */
export class LookCalls extends TaskCalls {
  /** What Heddle has found out about the run: deadlocks, for example. */
  findings(run: string, query: PageQuery = {}, options: CallOptions = {}): Promise<FindingsPage> {
    return this.getJson(`${at(run)}/findings`, { ...query }, options);
  }
  /** What the tenant has used, by day unless `by` says otherwise. */
  usage(query: UsageQuery = {}, options: CallOptions = {}): Promise<UsagePage> {
    return this.getJson("/v1/usage", { ...query }, options);
  }
  /** Where its time went, and what would have made it shorter; of its tasks `limit` (100), those with the least slack first. */
  criticalPath(run: string, query: { limit?: number } = {}, options: CallOptions = {}): Promise<CriticalPathView> {
    return this.getJson(`${at(run)}/critical-path`, { ...query }, options);
  }
  /** The run as a document that other tools open, as it comes: `perfetto` (default), `otlp` or `csv`. Not repeated once it began. */
  async trace(run: string, query: { format?: TraceFormat } = {}, options: CallOptions = {}): Promise<Response> {
    const path = `${at(run)}/trace${query.format ? `?format=${query.format}` : ""}`;
    return (await this.transport.stream({ ...options, method: "GET", path, accept: "*/*" })).response;
  }
  /** Shared variables in the order of their first use. */
  variables(run: string, query: PageQuery = {}, options: CallOptions = {}): Promise<VariablesPage> {
    return this.getJson(`${at(run)}/variables`, { ...query }, options);
  }
  /** Its kind, state, holders, waiters and op counts. */
  variable(run: string, name: string, options: CallOptions = {}): Promise<VariableView> {
    return this.getJson(`${at(run)}/variables/${encodeURIComponent(name)}`, {}, options);
  }
}
