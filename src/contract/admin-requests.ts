/** The operator's requests: tenants and their keys. */

import * as z from "zod";
import { nameCharsMax } from "../limits.ts";

/** What a key may do: runs and their tasks; leasing for pull workers; the tenant's own settings. */
export const scopes = ["runs", "workers", "tenant_admin"] as const;
export type Scope = (typeof scopes)[number];

export const createTenantBody = z.strictObject({ name: z.string().min(1).max(nameCharsMax) });

export const createKeyBody = z.strictObject({
  name: z.string().min(1).max(nameCharsMax).describe("Whose key it is, for people.").exactOptional(),
  scopes: z
    .array(z.enum(scopes))
    .min(1)
    .max(scopes.length)
    .refine((list) => new Set(list).size === list.length, "each scope once")
    .default(["runs", "workers"]),
});
