import type { HeddleProblem } from "../client/errors.ts";
import { manyLines } from "./plain-text.ts";

/** Hints of the API speak of headers and bodies, which a user of the command line does not see. */
const hints: Record<string, string> = {
  unauthorized: "Set HEDDLE_API_KEY to a key of this server; only a local server takes the default, hdl_local.",
  forbidden:
    "Use a key with that scope: `heddle doctor` says which this one has, `heddle admin keys create TENANT --scope SCOPE` makes one.",
  not_found:
    "Check the id, and that HEDDLE_URL and HEDDLE_API_KEY are of the server and tenant that have it. `heddle runs` lists runs, `heddle show RUN` its tasks.",
  quota_exceeded: "`heddle quotas` shows how much of each is used, and when there is more; the operator can raise it.",
  run_paused: "`heddle resume RUN` first.",
  tasks_live: "`heddle wait RUN` waits for them, `heddle finish RUN --cancel` cancels them.",
  question_closed:
    "Somebody answered it, its task goes on without, or others wait before it at the queue: nothing was done. `heddle questions RUN` lists those that are open.",
  below_spent: "Give at least what is spent: `heddle budget RUN` shows it.",
  unknown_turn: "Use a number that `heddle turns RUN TASK` lists.",
  bound_by_rules:
    "`heddle rules show RUN` says whose rule it is. Replace the run's with `heddle rules set`, the tenant's with `heddle rules tenant`; the deployment's are its operator's.",
  validation_failed: "Fields are named by their path; /openapi.json of the server has the schema.",
};

/** Where a command lists what was named and is not there: the first whose word the problem has. */
const listedBy: readonly (readonly [what: RegExp, hint: string])[] = [
  [/such tenant/, "`heddle admin tenants` lists the tenants of the server that HEDDLE_URL names."],
  [
    /such key/,
    "`heddle admin keys list TENANT` lists a tenant's keys; a key is named by its id, key_…, not by itself.",
  ],
  [/credential of this name/, "`heddle admin credentials` lists them; with --tenant TENANT those of another tenant."],
  [/such a question/, "`heddle questions RUN` lists the open ones."],
  [/no tool/, "`heddle tool` takes one of these."],
  [/such variable/, "`heddle vars RUN` lists those that have been used."],
  [/such message/, "`heddle webhook RUN log` lists those that were tried."],
  [/no webhook/, "`heddle webhook RUN set URL` sets one."],
  [
    /such path/,
    "HEDDLE_URL is the address of the server alone, without a path; `heddle doctor` says what answers there.",
  ],
];

const operatorHint =
  "Set HEDDLE_ADMIN_SECRET to that of this server; only a local server takes the default, hdl_local_admin.";

/** A problem as a person reads it: what, where, and what to do. It may repeat what somebody else has named. */
export function problemText(problem: HeddleProblem): string {
  const lines = [`${problem.message} (${problem.code})`];
  for (const { path, message, line } of problem.errors) {
    const at = line === undefined ? path || "(body)" : `line ${line}`;
    if (`${at}: ${message}` !== problem.message) lines.push(`  ${at}: ${message}`);
  }
  const operators = problem.code === "unauthorized" && problem.message.includes("operator's secret");
  const listed = problem.code === "not_found" ? listedBy.find(([what]) => what.test(problem.message)) : undefined;
  const hint = operators ? operatorHint : (listed?.[1] ?? hints[problem.code] ?? problem.hint);
  if (hint) lines.push(hint);
  return manyLines(lines.join("\n"));
}
