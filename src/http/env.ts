/** What the HTTP door needs from the deployment. */

import type { Format } from "../context/types.ts";
import type { Scope } from "../contract/admin-requests.ts";
import type { BillingVariables } from "../contract/billing.ts";
import type { CollectorVariables } from "../contract/collector.ts";
import type { ModelSource } from "../contract/shapes.ts";
import type { TenantGateRpc } from "../objects/rpc.ts";
import type { SeatRpc } from "../objects/seat-rpc.ts";
import type { McpCall } from "./mcp.ts";
import type { TakesSockets } from "./sockets.ts";

/** The one method of a Durable Object namespace that is used here. */
interface Objects<Stub> {
  getByName(name: string): Stub;
}

export interface HttpEnv extends CollectorVariables, BillingVariables {
  readonly DB: D1Database;
  /** Named `tenant/run`. */
  readonly RUNS: Objects<TakesSockets & SeatRpc>;
  /** Named by the tenant. */
  readonly GATES: Objects<TenantGateRpc>;
  /** Signs leases; at least `secretCharsMin` characters. Changing it ends all open leases. */
  readonly HEDDLE_SECRET?: string;
  /** The deployment's own prices, as JSON. */
  readonly HEDDLE_PRICES?: string;
  /** How long ended runs are kept: a number, or `keep`. */
  readonly HEDDLE_RETENTION_DAYS?: string;
  /** Rules that every run is held to, in Markdown. */
  readonly HEDDLE_RULES?: string;
  /** Hosted seats that may be open at once, over all tenants. */
  readonly HEDDLE_SEATS?: string;
  /** Identity of a local runtime; absent in deployments. Where there is one, tools' urls may lead to this machine. */
  readonly HEDDLE_BOOT?: string;
  /** Seals tenants' credentials; without it there can be none. */
  readonly HEDDLE_CREDENTIALS_KEY?: string;
  /** Earlier ones, which only open. */
  readonly HEDDLE_CREDENTIALS_KEY_OLD?: string;
  /** The operator's; without it `/admin` refuses everything. */
  readonly HEDDLE_ADMIN_SECRET?: string;
}

export interface AppOptions {
  /** Keys and an operator's secret beside those of D1 and the environment, for an entry that runs on one machine only. */
  readonly localKeys?: {
    readonly keys: readonly { readonly key: string; readonly tenant: string; readonly scopes: readonly Scope[] }[];
    readonly operatorSecret: string;
  };
  /**
   * Host names that are served, without port; default: all. An entry with keys that everybody knows must name its own:
   * else a web page could reach it under a name that its author points at this machine.
   */
  readonly hosts?: readonly string[];
  /** Which models answer hosted tasks. */
  readonly models?: (env: HttpEnv) => Readonly<Record<Format, ModelSource>>;
  /** Answers messages of the Model Context Protocol; it brings a library along that is loaded with the first of them. */
  readonly mcp?: (call: McpCall) => Promise<Response>;
}
