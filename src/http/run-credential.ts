/** Which of the tenant's credentials a new run uses, once and for all: its hosted tasks know it by name. */

import type { Format } from "../context/types.ts";
import { Fault, fieldFault } from "../errors/fault.ts";
import type { RunCredential } from "../scheduler/events.ts";
import { defaultModel } from "../served-by.ts";
import { type CredentialRow, defaultCredentials, findCredential } from "../storage/d1/credentials.ts";

/**
 * `asked`: by name, null for the deployment's own, undefined: that of `source` (as asked) while it is there, else the
 * tenant's default for the format, else the deployment's own. @throws Fault validation_failed for `credential`
 */
export async function runCredential(
  db: D1Database,
  tenant: string,
  format: Format,
  asked: string | null | undefined,
  source: { readonly credential?: string } | undefined,
): Promise<RunCredential | undefined> {
  if (asked === null) return undefined;
  if (asked !== undefined) {
    const found = await findCredential(db, tenant, asked);
    if (!found) throw refused("the tenant has no credential of this name; GET /v1/providers lists them");
    if (found.format !== format)
      throw refused(`it is for the format "${found.format}", and the context's is "${format}"`);
    return used({ ...found, format });
  }
  if (source) {
    if (source.credential === undefined) return undefined;
    const found = await findCredential(db, tenant, source.credential);
    if (found?.format === format) return used({ ...found, format });
  }
  const found = (await defaultCredentials(db, tenant)).find((row) => row.format === format);
  return found && used({ ...found, format });
}

const used = ({ name, model, format }: CredentialRow & { readonly format: Format }): RunCredential => ({
  name,
  model: model ?? defaultModel(format),
});

function refused(message: string): Fault {
  return Fault.of(fieldFault("credential", message));
}
