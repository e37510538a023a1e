/** Answers that several doors of a run give. */

import type { Page, ToolOutcome } from "../../contract/shapes.ts";
import type { FaultData } from "../../errors/fault.ts";
import { faults } from "../../errors/faults.ts";
import type { Reply } from "../rpc.ts";
import type { Recorded } from "./answers.ts";
import type { ToolRun } from "./tool-calls.ts";

export const ok = <T>(value: T): Reply<T> => ({ ok: true, value });

export type Refused = Extract<Reply<unknown>, { ok: false }>;

export const refuse = (fault: FaultData): Refused => ({ ok: false, fault });

export const leaseLost = refuse({ code: faults.lease_lost.problem });
export const tokensUsedUp = refuse({ code: faults.max_tokens.problem });
export const noTask = refuse({ code: "not_found", detail: "There is no such task in this run." });

export const badCursor = refuse({
  code: "validation_failed",
  errors: [{ path: "cursor", message: "not a cursor of this list" }],
});

/** The place in a list that a cursor of ours names, 0 without one; undefined for a text that no list has given out. */
export function placeOf(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return 0;
  return /^\d{1,15}$/.test(cursor) ? Number(cursor) : undefined;
}

/** The first `limit` of what was found from a place on, and the cursor of the next page if there is more. */
export const firstOf = <Row>(found: readonly Row[], limit: number, placeOf: (row: Row) => number): Page<Row> => ({
  rows: found.slice(0, limit),
  nextCursor: found.length > limit ? String(placeOf(found[limit - 1]!)) : null,
});

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
