/**
 * Ops on variables as calls of a leased task: what the classes of shared variables ask, sent by its lease.
 *
 * C1  A call is named only where the program names it: by `idempotencyKey`, within the op and the variable. It is then the same call in
 *     a later attempt, which is answered as the first one was, or takes up its wait. So it must be the same work that gives the name.
 * C2  A call without a name is one more call in each attempt. Names made up here, by counting calls, would be those of other calls as soon
 *     as an attempt takes another way: an answer would be another call's, and what was to be done would not be.
 * C3  A wait is the task's own: no session is opened for it, and its place is given to others as by `LeasedTask.call`.
 */

import { nameCharsMax } from "../../limits.ts";
import type { ToolOutcome } from "../replies.ts";
import type { ToolRequest } from "../requests.ts";
import type { VariableCaller } from "../run/variable.ts";
import type { CallOptions } from "../transport.ts";

/** A call of the task, to its end. */
type CallToEnd = (
  tool: string,
  request: ToolRequest,
  options: CallOptions,
) => Promise<Exclude<ToolOutcome, { pending: true }>>;

/** Whoever calls as the task of that lease. */
export const taskCaller = (call: CallToEnd): VariableCaller => ({
  callTool: (_run, tool, request = {}, { idempotencyKey, ...options } = {}) =>
    call(
      tool,
      idempotencyKey === undefined ? request : { ...request, call_id: callId(request, idempotencyKey) },
      options,
    ),
});

/** @throws RangeError where it would be too long */
function callId({ arguments: args }: ToolRequest, key: string): string {
  const { op, name } = args as { op: string; name: string };
  const id = `${op} ${name} ${key}`;
  if (id.length <= nameCharsMax) return id;
  const max = nameCharsMax - (id.length - key.length);
  throw new RangeError(`idempotencyKey has ${key.length} characters; of ${op} on "${name}" it has at most ${max}`);
}
