/** What collectors answer, and what OTLP says that it means. */

import { expect, it } from "vitest";
import { meaningOf } from "../../src/collector/answer.ts";

const secret = "Bearer s3cret-of-the-collector";
const answer = (status: number, text = "", headers: Record<string, string> = {}) =>
  meaningOf({ status, headers: new Headers(headers) }, text, [secret]);

it.each([
  [200, ""],
  [200, "{}"],
  [202, "thanks"],
  [200, '{"partialSuccess":{}}'],
  // A warning, and nothing is lost.
  [200, '{"partialSuccess":{"rejectedSpans":"0","errorMessage":"use gzip"}}'],
  [200, '{"partialSuccess":{"rejectedSpans":"many"}}'],
  [200, "null"],
])("%s %s takes all", (status, text) => {
  expect(answer(status, text)).toEqual({ kind: "taken", rejected: 0 });
});

it.each([["3"], [3]])("a partial success says how many it rejected, as %j, and why", (rejectedSpans) => {
  const text = JSON.stringify({ partialSuccess: { rejectedSpans, errorMessage: `too old; ${secret}` } });
  const why = "it rejected a part: too old; [key]";
  expect(answer(200, text)).toEqual({ kind: "taken", rejected: 3, why });
});

it.each([429, 502, 503, 504])("%i may be sent again, when it says so", (status) => {
  expect(answer(status)).toEqual({ kind: "later", why: `it answered ${status}` });
  expect(answer(status, "busy", { "retry-after": "7" })).toMatchObject({ kind: "later", afterMs: 7000 });
});

it.each([301, 400, 401, 403, 404, 413, 415, 500, 501])("%i must not be sent again", (status) => {
  expect(answer(status, "no")).toEqual({ kind: "refused", why: `it answered ${status}: no` });
});

it("nothing of a credential, nor a whole page, is kept of what it says", () => {
  const echoed = answer(401, `<html>\nwrong key ${secret}\n${"x".repeat(5000)}`);
  expect(JSON.stringify(echoed)).not.toContain("s3cret");
  expect(JSON.stringify(echoed).length).toBeLessThan(700);
});
