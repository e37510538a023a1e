/** The deployment's bindings, as wrangler.toml declares them. */

import type { BillingVariables } from "../contract/billing.ts";
import type { CollectorVariables } from "../contract/collector.ts";
import { deploymentRepeats, gateRepeats, persistent, type Repeats, runRepeats } from "../object-calls.ts";
import { isRead } from "../variables/index.ts";
import type { DeploymentGateRpc } from "./gate-rpc.ts";
import type { RunSchedulerRpc, TenantGateRpc } from "./rpc.ts";
import type { SeatRpc, SeatTicket } from "./seat-rpc.ts";
import type { VariableRpc } from "./variable-rpc.ts";

export interface Env extends CollectorVariables, BillingVariables {
  readonly DB: D1Database;
  readonly RUNS: DurableObjectNamespace;
  readonly GATES: DurableObjectNamespace;
  readonly DEPLOYMENT: DurableObjectNamespace;
  readonly VARIABLES: DurableObjectNamespace;
  /** One for each of `seatShards`. */
  readonly [shard: `SEATS_${number}`]: Queue<SeatTicket>;
  /** How seats are opened. */
  readonly SEATS?: "queue" | "direct";
  /** Signs lease tokens and calls of tools' urls; 32 random bytes as hex. */
  readonly HEDDLE_SECRET?: string;
  /** Seals tenants' credentials (sealing.ts), and earlier ones, which only open. */
  readonly HEDDLE_CREDENTIALS_KEY?: string;
  readonly HEDDLE_CREDENTIALS_KEY_OLD?: string;
  /** The operator's secret of /admin. */
  readonly HEDDLE_ADMIN_SECRET?: string;
  /** One start of the local launcher (boot.ts); absent in deployments. */
  readonly HEDDLE_BOOT?: string;
  readonly ANTHROPIC_API_KEY?: string;
  readonly ANTHROPIC_BASE_URL?: string;
  readonly ANTHROPIC_MODEL?: string;
  readonly OPENAI_API_KEY?: string;
  readonly OPENAI_BASE_URL?: string;
  readonly OPENAI_MODEL?: string;
  /** The deployment's own prices, as JSON (docs/costs.md). */
  readonly HEDDLE_PRICES?: string;
  /** Rules that every run is held to, in Markdown (docs/rules.md). */
  readonly HEDDLE_RULES?: string;
  /** Hosted seats that may be open at once, over all tenants (docs/operating.md). */
  readonly HEDDLE_SEATS?: string;
  readonly HEDDLE_MODEL_IDLE_MS?: string;
  /** How long ended runs are kept: a number, or `keep` (docs/operating.md). */
  readonly HEDDLE_RETENTION_DAYS?: string;
  /** Local mode only: where the simulated model listens. */
  readonly SIMULATED_URL?: string;
}

/** The name contains the tenant. */
export const runStub = (env: Pick<Env, "RUNS">, tenant: string, run: string): RunSchedulerRpc & SeatRpc =>
  persistent(() => env.RUNS.getByName(`${tenant}/${run}`) as unknown as RunSchedulerRpc & SeatRpc, runRepeats);

/** A run's id has no slash, so no name of a variable can reach another run's. */
export const variableStub = (env: Pick<Env, "VARIABLES">, tenant: string, run: string, name: string): VariableRpc =>
  persistent(() => env.VARIABLES.getByName(`${tenant}/${run}/${name}`) as unknown as VariableRpc, variableRepeats);

export const gateStub = (env: Pick<Env, "GATES">, tenant: string): TenantGateRpc =>
  persistent(() => env.GATES.getByName(tenant) as unknown as TenantGateRpc, gateRepeats);

/** There is one. */
export const deploymentStub = (env: Pick<Env, "DEPLOYMENT">): DeploymentGateRpc =>
  persistent(() => env.DEPLOYMENT.getByName("deployment") as unknown as DeploymentGateRpc, deploymentRepeats);

const variableRepeats: Repeats<VariableRpc> = {
  carryOut: ({ call, id }) => isRead(call) || id.task !== undefined || id.names.length > 0,
  firstAnswer: true,
  look: true,
  exportPart: true,
  importContents: true,
  sealImport: true,
  deleteAll: true,
};
