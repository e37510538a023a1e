/** A tool call as one promise: long polls repeated until there is an answer, errors thrown. */

import type { Heddle } from "../heddle.ts";
import type { ToolOutcome } from "../replies.ts";
import type { ToolRequest } from "../requests.ts";
import type { CallOptions } from "../transport.ts";
import { ToolError } from "./errors.ts";

/** Of a call that may have to wait. */
export interface CallToEndOptions extends CallOptions {
  /** Told when the call has its place, or its answer: what is called from then on comes after it. Where it waits that costs a request. */
  readonly begun?: (() => void) | undefined;
}

/**
 * What a poll asks for, after which `begun` is told: the place alone, which is answered at once. A call without a name has no place that the
 * next poll could take up.
 */
export const placeOf = (request: ToolRequest, begun: (() => void) | undefined): ToolRequest =>
  begun && request.call_id !== undefined ? { ...request, wait_ms: 0 } : request;

/** The answer, however long it takes. Only the first poll has the caller's key: the others name the call, and so are other requests. */
export async function outcomeOf(
  heddle: Pick<Heddle, "callTool">,
  run: string,
  tool: string,
  request: ToolRequest,
  { idempotencyKey, begun, ...options }: CallToEndOptions = {},
): Promise<Exclude<ToolOutcome, { pending: true }>> {
  let outcome = await heddle.callTool(run, tool, placeOf(request, begun), { ...options, idempotencyKey });
  begun?.();
  while ("pending" in outcome) {
    // A call that nobody named has no place to be taken up again: it only looks, and looks once more.
    const call_id = outcome.call_id || undefined;
    outcome = await heddle.callTool(run, tool, { ...request, ...(call_id && { call_id }) }, options);
  }
  return outcome;
}

/** As `outcomeOf`, the result alone. @throws ToolError */
export async function resultOf(...call: Parameters<typeof outcomeOf>): Promise<unknown> {
  const outcome = await outcomeOf(...call);
  if ("error" in outcome) throw new ToolError(call[2], outcome.error);
  return outcome.result;
}
