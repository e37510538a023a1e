/** What harnesses say in prose. */

import { expect, it } from "vitest";
import { failureOf, retryAfterIn } from "../../../../src/cli/worker/harness/reading.ts";

/** As Codex tells a time: this machine's, to the minute. 80 s after the tests' now it is a whole one. */
function clock({ withDay }: { withDay: boolean }): string {
  const at = new Date(1_764_190_080_000);
  const time = at.toLocaleTimeString("en-US", { hour: "numeric", minute: "2-digit" }).replace(/\s/g, " ");
  const [, month, day, year] = at.toDateString().split(" ");
  return withDay ? `${month} ${Number(day)}th, ${year} ${time}` : time;
}

it.each([
  ["Please try again in 1.5s. Visit the page", 1500],
  ["try again in 2 hours 5 minutes", 7_500_000],
  ["retry after 20 seconds", 20_000],
  ["Retry-After: 7", 7000],
  ["rate limited, retrying in 250ms", 250],
  ["Claude AI usage limit reached|1764190800", 800_000],
  ["You've hit your usage limit.", undefined],
  [`or try again at ${clock({ withDay: true })}.`, 140_000],
  [`or try again at ${clock({ withDay: false })}.`, 140_000],
  ["or try again at Nov 24th, 2020 9:06 PM.", 0],
])("%j says when", (text, ms) => {
  expect(retryAfterIn(text, 1_764_190_000_000)).toBe(ms);
});

it.each([
  ["You've hit your usage limit.", undefined, "rate_limited"],
  ["exceeded retry limit, last status: 429 Too Many Requests", undefined, "rate_limited"],
  ["insufficient_quota", 429, "quota"],
  ["whatever", 401, "not_logged_in"],
  ["Not logged in. Run codex login.", undefined, "not_logged_in"],
  ["We’re currently experiencing high demand, which may cause temporary errors.", undefined, "overloaded"],
  ["Selected model is at capacity. Please try a different model.", undefined, "overloaded"],
  ["unexpected status 502 Bad Gateway: oh, url: http://h/v1/responses", undefined, "overloaded"],
  ["stream disconnected before completion: error sending request for url", undefined, "overloaded"],
  ["stream disconnected before completion: Incomplete response returned, reason: content_filter", undefined, "failed"],
  ["API Error: Connection refused (ECONNREFUSED)", undefined, "overloaded"],
  ["whatever", 500, "overloaded"],
  ["unexpected status 400 Bad Request: oh, url: http://h:5000/v1", undefined, "failed"],
  ["Quota exceeded. Check your plan and billing details.", undefined, "quota"],
  ["API Error: 400 You have reached your specified API usage limits. You will regain …", 400, "quota"],
  ["Codex ran out of room in the model's context window.", undefined, "failed"],
  ["No conversation found with session ID: x", undefined, "failed"],
])("%j is known", (text, status, kind) => {
  expect(failureOf(text, { now: 0, ...(status !== undefined && { status }) }).kind).toBe(kind);
});
