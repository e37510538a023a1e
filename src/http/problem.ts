/** Fault → RFC 9457 problem+json. */

import type { z } from "zod";
import { retryAfterOf } from "../admission.ts";
import type { problemView } from "../contract/responses.ts";
import { type ProblemCode, problems } from "../errors/codes.ts";
import { Fault, type FaultData, type FieldError } from "../errors/fault.ts";
import { faults } from "../errors/faults.ts";
import { platformFaultOf } from "../errors/platform.ts";

/** Seconds after which a problem of a busy or unready server is worth a repetition at the earliest, where the fault doesn't say. */
const retryAfterS: Partial<Record<ProblemCode, number>> = {
  too_many_requests: 1,
  too_many_messages: 1,
  overloaded: 1,
  not_ready: 5,
};

/**
 * The document of a fault. `type` is a reference to this server's own page about the code; `instance` names the
 * occurrence and not the request's URL, which may hold a capability.
 */
export function problemOf(fault: FaultData, instance: string): z.infer<typeof problemView> {
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

/** What an error of the platform is told as; undefined for what is none. */
export function platformProblem(error: unknown): Fault | undefined {
  const fault = platformFaultOf(error);
  return fault && new Fault(faults[fault].problem, faults[fault].what);
}

/** Answers any thrown thing. What is neither a Fault nor the platform's is a bug: it is told as `internal`, and both are logged. */
export function problemResponse(error: unknown, headers: Record<string, string> = {}): Response {
  const instance = `urn:uuid:${crypto.randomUUID()}`;
  if (!(error instanceof Fault)) console.error(instance, error);
  const told = error instanceof Fault ? error : platformProblem(error);
  const fault: FaultData = told?.data ?? { code: faults.internal.problem };
  const problem = problemOf(fault, instance);
  const least = retryAfterS[fault.code];
  const retryAfter = fault.retryAfterS ?? (least !== undefined ? retryAfterOf(least, Math.random()) : undefined);
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      "content-type": "application/problem+json",
      ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }),
      ...(fault.code === "unauthorized" && { "www-authenticate": 'Bearer realm="heddle"' }),
      ...headers,
    },
  });
}
