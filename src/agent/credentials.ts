/**
 * A run's own credential, as a seat gets it: looked up by the tenant of the seat's ticket, which a run's object has written, and
 * opened here. What an isolate keeps is sealed.
 */

import type { Format } from "../context/types.ts";
import { refusedAddress } from "../contract/tool-address.ts";
import { credentialCacheBytes, credentialCacheMs } from "../limits.ts";
import { Lru } from "../lru.ts";
import type { RunCredential } from "../scheduler/events.ts";
import { type SealingSecrets, unseal } from "../sealing.ts";
import { boundTo, type SealedCredential, sealedCredential } from "../storage/d1/credentials.ts";
import type { Provider } from "./models/port.ts";
import { idleMsOf, vendorUrl } from "./providers.ts";

export interface CredentialSecrets extends SealingSecrets {
  readonly DB?: D1Database;
  /** Where there is one, addresses may lead to this machine. */
  readonly HEDDLE_BOOT?: string;
  readonly HEDDLE_MODEL_IDLE_MS?: string;
}

/** Why there is no provider: a message for the task's error, which says what to do. */
export interface Unusable {
  readonly unusable: string;
}

interface Kept {
  readonly row: SealedCredential;
  readonly until: number;
}

const kept = new Lru<string, Kept>(credentialCacheBytes);

/** The provider that the credential opens. One that was deleted or replaced is noticed within `credentialCacheMs`. */
export async function credentialProvider(
  secrets: CredentialSecrets,
  tenant: string,
  { name, model }: RunCredential,
  format: Format,
): Promise<Provider | Unusable> {
  const again = "and retry the task";
  const put = `set it again (PUT /v1/providers/${name}), ${again}`;
  const row = secrets.DB ? await rowOf(secrets.DB, tenant, name) : null;
  if (!row) return { unusable: `The run's credential "${name}" is gone: ${put}.` };
  if (row.format !== format) {
    return {
      unusable: `The run's credential "${name}" is for the format "${row.format}" now, not "${format}": ${put}.`,
    };
  }
  const refused = row.base_url && refusedAddress(row.base_url, { local: secrets.HEDDLE_BOOT !== undefined });
  if (refused) return { unusable: `The address of the credential "${name}" may not be called, ${refused}: ${put}.` };
  const apiKey = await unseal(secrets, row, boundTo(tenant, row));
  if (apiKey === undefined) {
    return {
      unusable: `No HEDDLE_CREDENTIALS_KEY of this deployment opens the credential "${name}": ${put}; or give the deployment back the secret that sealed it, as HEDDLE_CREDENTIALS_KEY_OLD.`,
    };
  }
  const baseUrl = row.base_url ?? vendorUrl(format);
  return { name: format, baseUrl, apiKey, defaultModel: model, idleMs: idleMsOf(secrets) };
}

async function rowOf(db: D1Database, tenant: string, name: string): Promise<SealedCredential | null> {
  const place = `${tenant}\n${name}`;
  const known = kept.get(place);
  if (known && known.until > Date.now()) return known.row;
  const row = await sealedCredential(db, tenant, name);
  // One that is not there is looked for again: whoever sets it wants to go on.
  if (!row) return null;
  kept.set(place, { row, until: Date.now() + credentialCacheMs }, place.length + JSON.stringify(row).length);
  return row;
}
