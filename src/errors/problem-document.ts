/** The document of a fault (RFC 9457), as answers, streams and sockets carry it. */

import { type ProblemCode, problems } from "./codes.ts";
import type { FaultData, FieldError } from "./fault.ts";

/**
 * `type` is a reference to the server's own page about the code; `instance` names the occurrence and not the request's URL,
 * which may hold a capability.
 */
export function problemDocument(fault: FaultData, instance: string) {
  const { status, title, hint, ...more } = problems[fault.code] as (typeof problems)[ProblemCode] & {
    retryable?: true;
  };
  return {
    type: `/problems/${fault.code}`,
    title,
    status,
    code: fault.code,
    hint,
    instance,
    retryable: more.retryable ?? false,
    ...(fault.detail !== undefined && { detail: fault.detail }),
    ...(fault.errors && { errors: fault.errors.map(errorView) }),
    ...(fault.errors?.[0]?.line !== undefined && { line: fault.errors[0].line }),
  };
}

const errorView = ({ path, message, line, suggestion }: FieldError) => ({
  path,
  message,
  ...(line !== undefined && { line }),
  ...(suggestion !== undefined && { suggestion }),
});

/** A socket can't be answered with a status: it is closed with this code, whose reason is the problem's code. */
export const closeCodeOf = (code: ProblemCode): number => 4000 + problems[code].status;
