import type { HeddleProblem } from "../client/errors.ts";

/** A problem as a person reads it: what, where, and what to do. */
export function problemText(problem: HeddleProblem): string {
  const lines = [`${problem.message} (${problem.code})`];
  for (const { path, message } of problem.errors) lines.push(`  ${path || "(body)"}: ${message}`);
  if (problem.hint) lines.push(problem.hint);
  return lines.join("\n");
}
