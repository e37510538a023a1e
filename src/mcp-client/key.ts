/** The key that an MCP server is sent: a credential of the tenant's that was set for this very address, opened here. */

import { type SealingSecrets, unseal } from "../sealing.ts";
import { boundTo, sealedCredential } from "../storage/d1/credentials.ts";

/** The key, or why there is none: a message for whoever named the credential. */
export type ServerKey = { readonly key: string } | { readonly unusable: string };

export async function serverKey(
  secrets: SealingSecrets & { readonly DB?: D1Database },
  tenant: string,
  name: string,
  url: string,
): Promise<ServerKey> {
  const row = secrets.DB ? await sealedCredential(secrets.DB, tenant, name) : null;
  if (!row) return { unusable: `the tenant has no credential "${name}"` };
  if (row.format !== "mcp")
    return { unusable: `the credential "${name}" is a model provider's, and not for an MCP server` };
  // Whoever may create runs must not have a key sent elsewhere than whoever set it meant.
  if (row.base_url === null || new URL(row.base_url).href !== new URL(url).href)
    return { unusable: `the credential "${name}" is for another address than this` };
  const key = await unseal(secrets, row, boundTo(tenant, row));
  return key === undefined ? { unusable: `no secret of this deployment opens the credential "${name}"` } : { key };
}
