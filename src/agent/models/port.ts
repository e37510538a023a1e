/**
 * The port to a model: one request, one streamed reply. One implementation per wire format, on the vendor's own SDK;
 * retries, budgets and turns are not its business.
 */

import type { Rates } from "../../availability/observation.ts";
import type { CacheMark, ContextHead, MessageText, ToolCall, Usage } from "../../context/types.ts";
import type { AttemptFault, FaultWith } from "../../errors/faults.ts";

export interface Provider {
  readonly name: "anthropic" | "openai" | "simulated";
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly defaultModel: string;
  /** How long it may send nothing. */
  readonly idleMs?: number;
}

export interface ModelRequest {
  readonly provider: Provider;
  readonly head: ContextHead;
  readonly messages: readonly MessageText[];
  readonly model: string;
  /** JSON text of the vendor-format tool array to send, already resolved; undefined sends none. */
  readonly tools: string | undefined;
  /** The call's maximal output in tokens; replaces params' own limit when lower, and stands in when params has none. */
  readonly maxOutputTokens: number;
  /** Anthropic cache_control positions, at most four, the one that is wanted most last. Ignored by the OpenAI format. */
  readonly marks: readonly CacheMark[];
  /** OpenAI prompt_cache_key: one per context lineage. Ignored by the Anthropic format. */
  readonly cacheKey: string;
  readonly signal: AbortSignal;
  /** By then the reply has to be whole (epoch ms): whoever calls is there no longer. */
  readonly until?: number;
  /** Called once when the reply begins to come: the vendor has then cached the prompt. */
  readonly onBegin?: () => void;
  /** Gets the reply's visible text as it comes. */
  readonly onText?: (text: string) => void;
  /** Sent as `x-heddle-task` to the simulated model only. */
  readonly taskId: string;
}

export interface ModelReply {
  /** The assistant message as the provider would take it back, as JSON text (reasoning blocks and signatures included). */
  readonly message: MessageText;
  /** The visible text, joined. */
  readonly text: string;
  readonly calls: readonly ToolCall[];
  readonly usage: Usage;
  /** `window`: the model's context window ended it in the middle. `paused`: the vendor says the rest when it is sent back as it is. */
  readonly stop: "end" | "calls" | "paused" | "output_limit" | "window" | "refusal";
}

/** What a model call can end with. */
export type ModelFaultClass = Exclude<Extract<AttemptFault, FaultWith<{ readonly at: "provider" }>>, "no_provider">;

export interface ModelFault {
  readonly code: ModelFaultClass;
  readonly message: string;
  /** What the provider asks to wait. */
  readonly retryAfterMs?: number;
}

export type ModelOutcome = (
  | { readonly ok: true; readonly reply: ModelReply }
  | { readonly ok: false; readonly fault: ModelFault }
) & {
  /** What the provider says is left of requests and tokens per minute. */
  readonly rates?: Rates;
};

export type CallModel = (request: ModelRequest) => Promise<ModelOutcome>;
