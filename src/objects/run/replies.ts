/** Answers that several doors of a run give. */

import type { ToolOutcome } from "../../contract/shapes.ts";
import { faults } from "../../errors/faults.ts";
import type { Refusal } from "../../scheduler/run-commands.ts";
import type { Reply } from "../rpc.ts";
import type { Recorded } from "./dispatch.ts";
import type { ToolRun } from "./tool-calls.ts";

export const ok = <T>(value: T): Reply<T> => ({ ok: true, value });

export const refuse = ({ code, detail, retryAfterS }: Refusal): Reply<never> => ({
  ok: false,
  fault: { code, ...(detail && { detail }), ...(retryAfterS !== undefined && { retryAfterS }) },
});

export const leaseLost: Reply<never> = { ok: false, fault: { code: faults.lease_lost.problem } };
export const tokensUsedUp: Reply<never> = { ok: false, fault: { code: faults.max_tokens.problem } };
export const noTask: Reply<never> = {
  ok: false,
  fault: { code: "not_found", detail: "There is no such task in this run." },
};

export const badCursor: Reply<never> = {
  ok: false,
  fault: { code: "validation_failed", errors: [{ path: "cursor", message: "not a cursor of this list" }] },
};

/** The place in a list that a cursor of ours names, 0 without one; undefined for a text that no list has given out. */
export function placeOf(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return 0;
  return /^\d{1,15}$/.test(cursor) ? Number(cursor) : undefined;
}

export function toolReply(done: ToolRun, callId: string): Reply<ToolOutcome> {
  if (done.kind === "result") return ok({ result: done.result });
  if (done.kind === "error") return ok({ error: done.error });
  return ok({ pending: true, call_id: callId });
}

/** An answer that was given, or came, before. */
export const answerView = (answer: Recorded): ToolOutcome => {
  if (answer.outcome) return answer.outcome;
  const value = JSON.parse(answer.text) as { error?: never };
  return answer.isError ? { error: value.error! } : { result: value };
};
