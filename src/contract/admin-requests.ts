/** The operator's requests: tenants and their keys. */

import * as z from "zod";
import {
  deploymentSeatsMax,
  keyOverlapMsDefault,
  keyOverlapMsMax,
  nameCharsMax,
  requestsPerSecondMax,
  runTasksMax,
  runWorkersMax,
  timeMax,
} from "../limits.ts";
import { pageQuery } from "./paging.ts";
import type { Scope } from "./tenant-shapes.ts";

export type { Quotas, Scope } from "./tenant-shapes.ts";

export const scopes = ["runs", "workers", "tenant_admin"] as const satisfies readonly Scope[];

export const createTenantBody = z.strictObject({ name: z.string().min(1).max(nameCharsMax) });

const expiresAt = z
  .int()
  .min(1)
  .max(timeMax)
  .nullable()
  .describe("When it stops to work, in milliseconds since 1970; null, the default: never.");

export const createKeyBody = z.strictObject({
  name: z.string().min(1).max(nameCharsMax).describe("Whose key it is, for people.").exactOptional(),
  scopes: z
    .array(z.enum(scopes))
    .min(1)
    .max(scopes.length)
    .refine((list) => new Set(list).size === list.length, "each scope once")
    .default(["runs", "workers"]),
  expires_at: expiresAt.exactOptional(),
});

export const quotasBody = z
  .strictObject({
    runs: z.int().min(0).max(Number.MAX_SAFE_INTEGER).describe("Live runs, paused ones included.").exactOptional(),
    seats: z
      .int()
      .min(1)
      .max(runWorkersMax)
      .describe("Of one run: the most that `limits.workers` counts.")
      .exactOptional(),
    tasks: z.int().min(1).max(runTasksMax).describe("Of one run: the most that `limits.tasks` counts.").exactOptional(),
    total_seats: z.int().min(1).max(deploymentSeatsMax).describe("Hosted seats of all runs together.").exactOptional(),
    tokens_per_day: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .describe("Input and output tokens of all runs together, from midnight to midnight (UTC).")
      .exactOptional(),
    storage_bytes: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .describe("What all runs together have stored, ended ones included.")
      .exactOptional(),
    requests_per_second: z
      .int()
      .min(1)
      .max(requestsPerSecondMax)
      .describe("Requests with a key, in each isolate of the server.")
      .exactOptional(),
  })
  .meta({ id: "Quotas" });

export const rotateKeyBody = z.strictObject({
  overlap_ms: z
    .int()
    .min(0)
    .max(keyOverlapMsMax)
    .describe("How long the old key still works; 0: it ends at once.")
    .default(keyOverlapMsDefault),
  expires_at: expiresAt.describe("Of the new key; default: as the old one's was; null: never.").exactOptional(),
});

export const auditQuery = pageQuery.extend({
  tenant: z.string().min(1).max(nameCharsMax).describe("Only what was done to this tenant.").exactOptional(),
});
