import { HeddleProblem, HeddleUnreachable } from "../client/errors.ts";
import { exitStatus } from "./exit-status.ts";
import { problemText } from "./problem-text.ts";
import { UsageError } from "./usage.ts";

/** What a user can act on, said in a line or two without a stack, and the exit status; undefined for a bug of ours. */
export function failureText(error: unknown): { readonly text: string; readonly status: number } | undefined {
  if (error instanceof UsageError) return { text: error.message, status: exitStatus.usage };
  if (error instanceof HeddleUnreachable) {
    const text = `${error.message}\nIs it running? \`npm run dev\` starts a local one; HEDDLE_URL names another.`;
    return { text, status: exitStatus.unreachable };
  }
  if (error instanceof HeddleProblem) return { text: problemText(error), status: exitStatus.failed };
  return undefined;
}
