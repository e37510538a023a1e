/** Which provider serves a context's format, and which model where nobody names one: from the deployment's secrets. */

import type { Format } from "./context/types.ts";

export interface ProviderSecrets {
  readonly ANTHROPIC_API_KEY?: string;
  readonly ANTHROPIC_BASE_URL?: string;
  readonly ANTHROPIC_MODEL?: string;
  readonly OPENAI_API_KEY?: string;
  readonly OPENAI_BASE_URL?: string;
  readonly OPENAI_MODEL?: string;
  readonly SIMULATED_URL?: string;
  /** How long a provider may send nothing, in milliseconds. */
  readonly HEDDLE_MODEL_IDLE_MS?: string;
}

export interface ServedBy {
  readonly provider: "anthropic" | "openai" | "simulated";
  /** Used where neither the task nor the context names one. */
  readonly model: string;
}

/** Drop-in for what went before: it takes the sampling and thinking parameters that contexts may bring, which later ones refuse. */
const anthropicModel = "claude-sonnet-4-6";
/** Drop-in for what went before, and taken with tools by gateways that know chat completions alone, which later ones are not. */
const openaiModel = "gpt-5.4";
/** Where nobody names another; it answers to any name. */
export const simulatedModel = "simulated";

/** The model of a provider whose credential names none. */
export const defaultModel = (format: Format): string => (format === "anthropic" ? anthropicModel : openaiModel);

/** Undefined when nothing is configured for the format. */
export function servedBy(format: Format, secrets: ProviderSecrets): ServedBy | undefined {
  if (format === "anthropic" && secrets.ANTHROPIC_API_KEY) {
    return { provider: "anthropic", model: secrets.ANTHROPIC_MODEL ?? anthropicModel };
  }
  // A server that speaks OpenAI's format (vLLM, Ollama) often needs no key: a base URL is enough.
  if (format === "openai" && (secrets.OPENAI_API_KEY || secrets.OPENAI_BASE_URL)) {
    return { provider: "openai", model: secrets.OPENAI_MODEL ?? openaiModel };
  }
  return secrets.SIMULATED_URL ? { provider: "simulated", model: simulatedModel } : undefined;
}
