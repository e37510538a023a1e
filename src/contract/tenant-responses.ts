/** What tenants are answered about themselves, and operators about tenants and the deployment; as responses.ts. */

import * as z from "zod";
import { quotasBody, scopes } from "./admin-requests.ts";
import type * as shapes from "./shapes.ts";
import type { SweepView } from "./tenant-shapes.ts";
import { type AllTrue, at, cursor, type Twins } from "./view-parts.ts";

export const usagePage = z
  .strictObject({
    from: at.describe("From this hour on."),
    to: at.describe("Up to this hour, without it."),
    by: z.string(),
    complete: z.boolean().describe("false: some runs have used more than could be noted yet; ask again."),
    usage: z.array(
      z
        .object({
          input_tokens: z.int(),
          output_tokens: z.int(),
          cache_read_tokens: z.int().describe("Of the input, what the provider's cache had."),
          cache_write_tokens: z.int(),
          cost_usd: z.number().describe("At the prices of the day on which it was used."),
          unpriced_tokens: z.int().describe("Tokens of models without a known price: no part of the cost."),
          simulated_tokens: z.int(),
          model_calls: z.int(),
          task_seconds: z.number().describe("How long workers had tasks."),
          tasks: z.int().describe("Created."),
          events: z.int().describe("Logged."),
        })
        .catchall(z.string())
        .describe("The amounts, and under the name of `by` (`label` for a label) what they are of."),
    ),
    next_cursor: cursor,
  })
  .meta({ id: "UsagePage" });

export const quotasView = z
  .strictObject({
    quotas: quotasBody.describe("What is absent has no bound of its own."),
    used: z.strictObject({
      runs: z.int().describe("Live ones."),
      seats: z.int().describe("Hosted ones that its runs use, or could use now, as they said last."),
      tokens_today: z.int().nullable().describe("Since midnight (UTC); null where there is no quota of them."),
      stored_bytes: z.int(),
    }),
  })
  .meta({ id: "QuotasAndUse" });

export const tenantView = z
  .strictObject({
    id: z.string(),
    name: z.string().describe("Empty once it is deleted."),
    status: z.enum(["active", "deleting", "deleted"]),
    created_at: at,
    deleting_at: at.nullable().describe("Since then none of its keys works."),
    deleted_at: at.nullable(),
    quotas: quotasBody.describe("What it may use at most; what is absent has no bound of its own."),
    runs_left: z.int().describe("Of one that is being deleted: runs that are still to be deleted.").exactOptional(),
  })
  .meta({ id: "Tenant" });
const keyView = z
  .strictObject({
    id: z.string(),
    name: z.string().nullable(),
    scopes: z.array(z.enum(scopes)),
    created_at: at,
    expires_at: at.nullable(),
    last_used_at: at.nullable().describe("To the minute."),
    revoked_at: at.nullable(),
    replaced_by: z.string().nullable().describe("The key that it was rotated to."),
  })
  .meta({ id: "Key" });
export const createdKey = keyView.extend({ key: z.string().describe("Shown this once; only its SHA-256 is kept.") });
export const rotatedKey = createdKey.extend({
  replaces: z.strictObject({ id: z.string(), expires_at: at.describe("Until then the old key still works.") }),
});
const auditEntry = z
  .strictObject({
    id: z.int().describe("Rises."),
    created_at: at,
    tenant: z.string().nullable().describe("Whom it was done to; null: the deployment."),
    actor: z.string().describe('"operator", or the id of the key that was used.'),
    act: z.string(),
    target: z.string().describe("The id or name of what it was done to."),
    detail: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "AuditEntry" });
export const auditPage = z.strictObject({ entries: z.array(auditEntry), next_cursor: cursor });
export const tenantsPage = z.strictObject({ tenants: z.array(tenantView), next_cursor: cursor });
export const keysPage = z.strictObject({ keys: z.array(keyView), next_cursor: cursor });

export const sweepView = z
  .strictObject({
    passes: z
      .array(
        z.strictObject({
          name: z.string(),
          began_at: at,
          ended_at: at.nullable().describe("Null while it goes on, and of one that broke off."),
          visited: z.int(),
          failed: z.int().describe("Of the visits."),
        }),
      )
      .describe("How each pass went when it came last; none before the first."),
    failing_count: z.int().describe("Runs that several passes in a row could not visit."),
    failing: z
      .array(
        z.strictObject({
          tenant: z.string(),
          run: z.string(),
          passes: z.int().describe("That failed, in a row."),
          since: at,
          last_at: at,
          error: z.string().describe("Of the last visit."),
        }),
      )
      .describe("Of these runs the first hundred, those that fail longest first."),
  })
  .meta({ id: "Sweep" });

const modelSource = z.enum(["provider", "simulated", "none"]);
export const aboutView = z
  .strictObject({
    version: z.string(),
    at: at.describe("The server's clock."),
    tenant: z.string(),
    scopes: z.array(z.enum(scopes)),
    models: z
      .strictObject({ anthropic: modelSource, openai: modelSource })
      .describe("What answers hosted tasks, by their context's format; none: they fail with no_provider."),
  })
  .meta({ id: "About" });

const providerView = z
  .strictObject({
    name: z.string(),
    format: z.enum(["anthropic", "openai", "mcp"]),
    base_url: z.string().nullable().describe("null: the vendor's own."),
    model: z.string().nullable(),
    default: z.boolean().describe("Used by new runs that name no credential."),
    last4: z.string().describe("The key's last characters; empty for a short one."),
    created_at: at,
    updated_at: at,
  })
  .meta({ id: "Provider" });
export const providerAnswer = providerView;
export const providersPage = z.strictObject({ providers: z.array(providerView), next_cursor: cursor });
export const resealedView = z.strictObject({
  sealed: z.int().describe("How many were sealed under the present secret now."),
  left: z.boolean().describe("There are more: ask again."),
  unreadable: z
    .array(z.strictObject({ tenant: z.string(), name: z.string() }))
    .describe("Some of those that no secret of the deployment opens; they have to be set again."),
});

export const healthView = z.strictObject({ status: z.literal("ready") });

// Compiles only while they accept each other.
true satisfies AllTrue<
  [Twins<z.infer<typeof aboutView>, shapes.AboutView>, Twins<z.infer<typeof sweepView>, SweepView>]
>;
