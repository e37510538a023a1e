/** What a problem says to do next: the command that lists what was named, where there is one. */

import { expect, test } from "vitest";
import { problemText } from "../../src/cli/problem-text.ts";
import { HeddleProblem } from "../../src/client/errors.ts";

const text = (detail: string) => problemText(new HeddleProblem(404, { code: "not_found", detail }));

test.each([
  "forbidden",
  "quota_exceeded",
  "run_paused",
  "question_closed",
  "unknown_turn",
  "below_spent",
  "bound_by_rules",
])("%s names a command, and no call of the API", (code) => {
  const said = problemText(new HeddleProblem(409, { code, hint: "GET …/there" }));
  expect(said).toMatch(/`heddle \w+/);
  expect(said).not.toMatch(/…\//);
});

test.each([
  ["there is no such tenant", "`heddle admin tenants`"],
  ["the tenant has no such key", "`heddle admin keys list TENANT`"],
  ["the tenant has no credential of this name", "`heddle admin credentials`"],
  ["There never was such a question in this run.", "`heddle questions RUN`"],
  ["This run has no such variable.", "`heddle vars RUN`"],
  ["This run's webhook has tried no such message.", "`heddle webhook RUN log`"],
  ["The run has no webhook.", "`heddle webhook RUN set URL`"],
  ["there is no such path; /openapi.json lists them, and none ends in a slash", "without a path"],
  ["There is no such run.", "`heddle runs`"],
])("%s", (detail, hint) => {
  expect(text(detail)).toContain(`${detail} (not_found)\n`);
  expect(text(detail)).toContain(hint);
});
