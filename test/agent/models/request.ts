/** A model request with everything that a test does not care about. */

import type { ModelFault, ModelOutcome, ModelReply, ModelRequest, Provider } from "../../../src/agent/models/port.ts";
import type { Format } from "../../../src/context/types.ts";

export interface Given extends Partial<Omit<ModelRequest, "head" | "provider" | "messages">> {
  readonly system?: string;
  readonly params?: string;
  readonly messages?: readonly string[];
  readonly provider?: Partial<Provider>;
}

export const key = "sk-test-0123456789abcdef";

export function requestTo(format: Format, url: string, given: Given = {}): ModelRequest {
  const { system, params, provider, ...rest } = given;
  return {
    provider: {
      name: format,
      baseUrl: format === "anthropic" ? `${url}/anthropic` : `${url}/openai/v1`,
      apiKey: key,
      defaultModel: "m-1",
      ...provider,
    },
    head: { format, ...(system !== undefined && { system }), ...(params !== undefined && { params }) },
    messages: [userText("hello")],
    model: "m-1",
    tools: undefined,
    maxOutputTokens: 1000,
    marks: [],
    cacheKey: "lineage-1",
    signal: new AbortController().signal,
    taskId: "T1-aaaaaa",
    ...rest,
  };
}

export const userText = (text: string): string => JSON.stringify({ role: "user", content: text });

export function replyOf(outcome: ModelOutcome): ModelReply {
  if (!outcome.ok) throw new Error(`${outcome.fault.code}: ${outcome.fault.message}`);
  return outcome.reply;
}

export function faultOf(outcome: ModelOutcome): ModelFault {
  if (outcome.ok) throw new Error(`not a fault: ${outcome.reply.message}`);
  return outcome.fault;
}
