/** What agents and callers that nobody trusts have named or answered moves no cursor and turns no line around. */

import { expect, test } from "vitest";
import { waitingText } from "../../../src/cli/look/task-text.ts";
import { problemText } from "../../../src/cli/problem-text.ts";
import { summaryText } from "../../../src/cli/run/summary.ts";
import { HeddleProblem } from "../../../src/client/errors.ts";
import type { RunView, TaskView } from "../../../src/client/replies.ts";

/** An escape sequence with seven bits and one with eight, a title for the window, and text that is shown from right to left. */
const hostile = "a\u001b[2Jb\u009b31mc\u001b]0;owned\u0007d\u202ee\rf";
const unsafe = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

const task = (more: object) =>
  ({ id: "T1-000000", key: null, title: hostile, error: null, result: null, waiting_on: null, ...more }) as TaskView;
const counts = { waiting: 0, ready: 0, running: 0, parked: 0, succeeded: 1, failed: 1, cancelled: 0, skipped: 0 };
const run = {
  ...{ id: "run_1", name: hostile, status: "cancelled", reason: hostile, counts, created_at: 0, ended_at: 1000 },
  ...{ cost: null, unpriced_models: [hostile], limits: { usd: null } },
  usage: {
    input_tokens: 1,
    output_tokens: 1,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    tokens: 2,
    simulated: false,
  },
} as unknown as RunView;

test.each<[string, string]>([
  [
    "the end of a run",
    summaryText(
      {
        run,
        failed: [task({ error: { code: "failed", message: hostile } })],
        all_succeeded: false,
        result: { [hostile]: hostile },
        succeeded: [task({ result: [hostile] }), task({ result: hostile })],
      },
      "http://heddle.test",
    ),
  ],
  ["a wait", waitingText(task({ waiting_on: { op: "acquire", variables: [hostile], since: 0, token: 1 } }))],
  [
    "a problem",
    problemText(
      new HeddleProblem(422, {
        ...{ code: "validation_failed", detail: hostile, hint: hostile },
        errors: [{ path: hostile, message: hostile }],
      }),
    ),
  ],
])("%s", (_, text) => {
  expect(text).toContain("a");
  expect(text).not.toMatch(unsafe);
});
