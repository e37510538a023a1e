/** What a code means, wherever it stands: in a problem, in a task's error, or in a tool call's answer. Some stand in several. */

import { unreachable } from "./assert.ts";
import { type ProblemCode, problems, type ToolErrorCode, toolHints, workspaceErrorHints } from "./codes.ts";
import { type FaultClass, faults, type Retry, ruleOf } from "./faults.ts";

export interface CodeSection {
  /** Where it stands, and how: a request's problem with its status. */
  readonly heading: string;
  /** Sentences: what it means, what follows, what to do. */
  readonly text: readonly string[];
}

/** Empty: there is no such code. */
export function sectionsOf(code: string): CodeSection[] {
  const sections: CodeSection[] = [];
  if (Object.hasOwn(problems, code)) {
    const { status, title, hint } = problems[code as ProblemCode];
    sections.push({ heading: `${code} (${status})`, text: [`${title}.`, hint] });
  }
  if (Object.hasOwn(faults, code)) {
    const { what, known, retry, ends, mend } = ruleOf(code as FaultClass);
    const text = [
      what,
      known,
      ends === undefined ? "No task ends by it." : `${retried(retry)} Then its task is ${ends}.`,
    ];
    sections.push({
      heading: `${code}, in a task's error or a run's log`,
      text: mend === undefined ? text : [...text, mend],
    });
  }
  const hints = [Object.hasOwn(toolHints, code) && toolHints[code as ToolErrorCode], ownHint(code)];
  for (const hint of new Set(hints))
    if (hint) sections.push({ heading: `${code}, in the answer to a tool call`, text: [hint] });
  return sections;
}

const ownHint = (code: string) =>
  Object.hasOwn(workspaceErrorHints, code) && workspaceErrorHints[code as keyof typeof workspaceErrorHints];

function retried(retry: Retry): string {
  switch (retry.kind) {
    case "never":
      return "It is not tried again.";
    case "attempt":
      return "It is tried again after a backoff, from the last logged turn, as often as `retries.limit` says.";
    case "if_said":
      return "It is tried again, as often as `retries.limit` says, if whoever failed says that it may help.";
    case "resume":
      return "Another worker goes on from the last logged turn at once.";
    case "turn":
      return "The model is told, and may do better with its next turn.";
    case "shorten":
      return "With `on_context_too_long` the task goes on with its newest turns.";
    case "budget":
      return "Tasks wait, and the run is paused until its budget is raised, unless a rule says that they fail.";
    case "call":
      return "The same call is made again where a repeat is harmless.";
    case "later":
      return "Whoever wanted it wants it again, later.";
    default:
      return unreachable(retry);
  }
}
