/** Fault → RFC 9457 problem+json. */

import type { z } from "zod";
import { retryAfterOf } from "../admission.ts";
import type { problemView } from "../contract/responses.ts";
import type { ProblemCode } from "../errors/codes.ts";
import { Fault, type FaultData } from "../errors/fault.ts";
import { faults } from "../errors/faults.ts";
import { platformDetail, platformFaultOf } from "../errors/platform.ts";
import { problemDocument } from "../errors/problem-document.ts";

/** Seconds after which a problem of a busy or unready server is worth a repetition at the earliest, where the fault doesn't say. */
const retryAfterS: Partial<Record<ProblemCode, number>> = {
  too_many_requests: 1,
  too_many_messages: 1,
  overloaded: 1,
  not_ready: 5,
  storage_newer: 5,
};

export const problemOf = (fault: FaultData, instance: string): z.infer<typeof problemView> =>
  problemDocument(fault, instance);

/** What an error of the platform is told as; undefined for what is none. */
export function platformProblem(error: unknown): Fault | undefined {
  const fault = platformFaultOf(error);
  return fault && new Fault(faults[fault].problem, platformDetail(fault, error));
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
