import type { ToolOutcome } from "../../../src/client/index.ts";

/** The result of a tool call that must have one. */
export const result = (outcome: ToolOutcome): Record<string, unknown> => {
  if (!("result" in outcome)) throw new Error(JSON.stringify(outcome));
  return outcome.result as Record<string, unknown>;
};
