/**
 * The words of a context, shared by everything that touches one.
 *
 * Messages are kept as the JSON *text* received, never parsed and printed again: a fork's request must be byte-identical
 * to its parent's up to the fork point, or the provider's prompt cache misses (DESIGN §8).
 */

export type Format = "anthropic" | "openai";

/** JSON text of one provider-native message, byte for byte as received. */
export type MessageText = string;

/** Everything of a context that is not a message. Parts are JSON texts as received; absent parts are not sent. */
export interface ContextHead {
  readonly format: Format;
  readonly model?: string;
  /** JSON text of a string or of an array of blocks. */
  readonly system?: string;
  /** JSON text of the vendor's tool array; absent means Heddle's own tools. */
  readonly tools?: string;
  /** JSON text of an object: vendor-native parameters, opaque to Heddle. */
  readonly params?: string;
}

/** A tool call found in an assistant message. `arguments` is its JSON text (OpenAI's may be malformed). */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

/** The answer to one tool call; `text` is what the model reads. */
export interface ToolResult {
  readonly id: string;
  readonly text: string;
  readonly isError: boolean;
}

/** Where a cache mark stands: the block (content part) of a message; a string content counts as block 0. */
export interface CacheMark {
  readonly message: number;
  readonly block: number;
}

export interface Usage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_tokens: number;
  readonly cache_write_tokens: number;
}
