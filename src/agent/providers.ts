/** Where a context's format is served, and with which key, from the deployment's secrets. */

import type { Format } from "../context/types.ts";
import type { ModelSource } from "../contract/shapes.ts";
import { modelIdleMs, modelIdleMsMax, modelIdleMsMin } from "../limits.ts";
import { type ProviderSecrets, servedBy } from "../served-by.ts";
import type { Provider } from "./models/port.ts";

/** Where the vendor of a format is itself. */
export const vendorUrl = (format: Format): string =>
  format === "anthropic" ? "https://api.anthropic.com" : "https://api.openai.com/v1";

/** What answers tasks of the format, for whoever asks; names and addresses of providers stay inside. */
export function modelSourceOf(format: Format, secrets: ProviderSecrets): ModelSource {
  const provider = providerFor(format, secrets);
  if (provider === undefined) return "none";
  return provider.name === "simulated" ? "simulated" : "provider";
}

/** Undefined when nothing is configured for the format: the task fails with `no_provider`. */
export function providerFor(format: Format, secrets: ProviderSecrets): Provider | undefined {
  const served = servedBy(format, secrets);
  if (!served) return undefined;
  const { provider: name, model: defaultModel } = served;
  const idleMs = idleMsOf(secrets);
  if (name === "anthropic") {
    const baseUrl = secrets.ANTHROPIC_BASE_URL ?? vendorUrl(format);
    return { name, baseUrl, apiKey: secrets.ANTHROPIC_API_KEY!, defaultModel, idleMs };
  }
  if (name === "openai") {
    const baseUrl = secrets.OPENAI_BASE_URL ?? vendorUrl(format);
    return { name, baseUrl, apiKey: secrets.OPENAI_API_KEY ?? "none", defaultModel, idleMs };
  }
  const baseUrl = `${secrets.SIMULATED_URL}/${format === "anthropic" ? "anthropic" : "openai/v1"}`;
  return { name, baseUrl, apiKey: "simulated", defaultModel, idleMs };
}

/** A value that is no number of milliseconds between the bounds counts as none. */
export function idleMsOf({ HEDDLE_MODEL_IDLE_MS: text }: ProviderSecrets): number {
  const ms = Number(text);
  return ms >= modelIdleMsMin && ms <= modelIdleMsMax ? ms : modelIdleMs;
}
