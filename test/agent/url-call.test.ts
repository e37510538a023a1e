import { expect, test } from "vitest";
import { meaningOf } from "../../src/agent/url-call.ts";
import { secretsIn } from "../../src/contract/tool-address.ts";
import { resultBytesMax } from "../../src/limits.ts";

const answer = (status: number, text: string | undefined, headers: Record<string, string> = {}) =>
  meaningOf({ status, headers: new Headers(headers) }, text);

test("2xx with a result is the result", () => {
  expect(answer(200, '{"result": {"n": 1}}')).toEqual({ kind: "result", result: { n: 1 }, isError: false });
  expect(answer(202, '{"result": null, "is_error": true}')).toEqual({ kind: "result", result: null, isError: true });
});

test.each<[string, number, string | undefined]>([
  ["no JSON", 200, "ok"],
  ["no object", 200, '"ok"'],
  ["no result", 200, "{}"],
  ["is_error that is no boolean", 200, '{"result": 1, "is_error": "no"}'],
  ["too much to be read", 200, undefined],
  ["a result that no double holds", 200, '{"result": 1e999}'],
  ["a result over the bound", 200, JSON.stringify({ result: "x".repeat(resultBytesMax) })],
  ["no content", 204, ""],
  ["a redirect", 302, ""],
  ["not found", 404, "no such page"],
  ["refused", 401, undefined],
])("%s fails for good", (_, status, text) => {
  expect(answer(status, text)).toMatchObject({ kind: "error", fault: "endpoint_refused" });
});

test.each([408, 425, 429, 500, 502, 503, 529])("%i may be tried again, after the time that it names", (status) => {
  expect(answer(status, "busy", { "retry-after": "7" })).toEqual({
    kind: "error",
    error: { code: "http_status", message: `it answered ${status}: busy` },
    fault: "endpoint_busy",
    retryAfterMs: 7000,
  });
  expect(answer(status, undefined)).toMatchObject({ fault: "endpoint_busy" });
});

test("an endpoint's page of an error is shown cut, on one line", () => {
  const { error } = answer(400, `<html>\n${"x".repeat(5000)}`) as { error: { message: string } };
  expect(error.message.length).toBeLessThan(600);
  expect(error.message).not.toContain("\n");
});

test("what an endpoint's address holds in its query is not told, though a page of an error repeats it", () => {
  const secrets = secretsIn("https://tools.example/call?key=s3cret%2Bof&also=s3cret%2Bof-the-query&flag");
  for (const status of [404, 503]) {
    const page = "no such page: /call?key=s3cret%2Bof&also=s3cret+of-the-query";
    const { error } = meaningOf({ status, headers: new Headers() }, page, secrets) as { error: { message: string } };
    expect(error.message).toBe(`it answered ${status}: no such page: /call?key=[key]&also=[key]`);
  }
});
