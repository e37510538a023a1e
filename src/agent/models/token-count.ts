import type { Usage } from "../../context/types.ts";
import { reportedTokensMax } from "../../limits.ts";
import type { ModelRequest } from "./port.ts";

/**
 * A count of tokens as a provider tells it, which may be a tenant's own: whole, never below nothing, and small enough for sums.
 * What is less than nothing would pay for what others use; what is no number at all would be lost in the log, and with it the sum.
 */
export const tokenCount = (value: unknown): number =>
  typeof value === "number" && value > 0 ? Math.ceil(Math.min(value, reportedTokensMax)) : 0;

/** A count that its server has told; `estimated` where it told none. */
export const toldOr = (value: unknown, estimated: number): number =>
  typeof value === "number" ? tokenCount(value) : estimated;

/** Stands in for the tokens that a server does not count. */
export const promptCharsOf = ({ messages, tools }: Pick<ModelRequest, "messages" | "tools">): number =>
  messages.reduce((sum, { length }) => sum + length, tools?.length ?? 0);

/** Of a reply whose server counts no tokens: characters ÷ 4, as is usual. Never nothing, or what it cost would not count. */
export const estimatedUsage = (promptChars: number, replyChars: number): Usage => ({
  input_tokens: Math.ceil(promptChars / 4),
  output_tokens: Math.ceil(replyChars / 4),
  cache_read_tokens: 0,
  cache_write_tokens: 0,
});
