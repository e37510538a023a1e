/** Which provider serves a context's format, from the deployment's secrets. */

import type { Format } from "../context/types.ts";
import type { ModelSource } from "../contract/shapes.ts";
import type { Provider } from "./models/port.ts";

export interface ProviderSecrets {
  readonly ANTHROPIC_API_KEY?: string;
  readonly ANTHROPIC_BASE_URL?: string;
  readonly ANTHROPIC_MODEL?: string;
  readonly OPENAI_API_KEY?: string;
  readonly OPENAI_BASE_URL?: string;
  readonly OPENAI_MODEL?: string;
  readonly SIMULATED_URL?: string;
}

const anthropicUrl = "https://api.anthropic.com";
const openaiUrl = "https://api.openai.com/v1";
/** Used where neither the task, nor the context, nor the deployment names a model. */
const anthropicModel = "claude-sonnet-4-5";
const openaiModel = "gpt-5";

/** What answers tasks of the format, for whoever asks; names and addresses of providers stay inside. */
export function modelSourceOf(format: Format, secrets: ProviderSecrets): ModelSource {
  const provider = providerFor(format, secrets);
  if (provider === undefined) return "none";
  return provider.name === "simulated" ? "simulated" : "provider";
}

/** Undefined when nothing is configured for the format: the task fails with `no_provider`. */
export function providerFor(format: Format, secrets: ProviderSecrets): Provider | undefined {
  if (format === "anthropic" && secrets.ANTHROPIC_API_KEY) {
    return {
      name: "anthropic",
      baseUrl: secrets.ANTHROPIC_BASE_URL ?? anthropicUrl,
      apiKey: secrets.ANTHROPIC_API_KEY,
      defaultModel: secrets.ANTHROPIC_MODEL ?? anthropicModel,
    };
  }
  // A server that speaks OpenAI's format (vLLM, Ollama) often needs no key: a base URL is enough.
  if (format === "openai" && (secrets.OPENAI_API_KEY || secrets.OPENAI_BASE_URL)) {
    return {
      name: "openai",
      baseUrl: secrets.OPENAI_BASE_URL ?? openaiUrl,
      apiKey: secrets.OPENAI_API_KEY ?? "none",
      defaultModel: secrets.OPENAI_MODEL ?? openaiModel,
    };
  }
  if (!secrets.SIMULATED_URL) return undefined;
  const baseUrl = `${secrets.SIMULATED_URL}/${format === "anthropic" ? "anthropic" : "openai/v1"}`;
  return { name: "simulated", baseUrl, apiKey: "simulated", defaultModel: "simulated" };
}
