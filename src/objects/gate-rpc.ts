/**
 * What runs, tenants' gates and the deployment's gate tell one another of seats, as types. One object each way: whatever else a gate
 * is to know, or to say, is a field more.
 */

import type { LimitReport, LimitTerms } from "../availability/limit-book.ts";
import type { TokenReport } from "../fairness/allowances.ts";
import type { Use } from "../fairness/use.ts";
import type { AllowedTokens } from "../scheduler/quotas.ts";
import type { ShareFrom } from "../scheduler/seat-shares.ts";

/** From a run to its tenant's gate: how it is, whole, so that a report may be lost or come twice. */
export interface RunReport {
  readonly tenant: string;
  readonly run: string;
  /** Which of the runs that have had this id; absent of one that was created before they were told apart. */
  readonly life?: string;
  /** Hosted seats that it could use now, those at work included. */
  readonly demand: number;
  /** What it has used lately. */
  readonly use: Use;
  readonly tokens: TokenReport;
  /** That its object has stored. */
  readonly bytes: number;
  /** Of models that it calls, and of those that it calls no more; absent from an object of a version before. */
  readonly limits?: readonly LimitReport[];
}

/** What holds for the run from now on. */
export interface RunTerms {
  /** Hosted seats that it may use, and who leaves it no more. */
  readonly seats: number;
  readonly why: ShareFrom;
  /** Absent: there is no quota of tokens. */
  readonly tokens?: AllowedTokens;
  /** The tenant has stored as much as it may. */
  readonly full?: { readonly limit: number; readonly stored: number };
  /** Where there is something to share; absent from a gate of a version before. */
  readonly limits?: readonly LimitTerms[];
}

/** What a tenant uses now, of what it may. */
export interface QuotasUsed {
  readonly seats: number;
  /** Of today; null: nobody counts them, since there is no quota of them. */
  readonly tokensToday: number | null;
  readonly storedBytes: number;
}

/** From a tenant's gate to the deployment's: all of its runs as one. */
export interface TenantReport {
  readonly tenant: string;
  readonly demand: number;
  readonly use: Use;
}

export interface TenantTerms {
  readonly seats: number;
  /** There are more who want seats than seats. */
  readonly isScarce: boolean;
}

/** Stub of the DeploymentGate, of which a deployment has one. */
export interface DeploymentGateRpc {
  report(report: TenantReport): Promise<TenantTerms>;
}
