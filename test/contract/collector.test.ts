/** OpenTelemetry's variables, as a deployment has them. */

import { expect, it } from "vitest";
import { type CollectorVariables, parseCollector } from "../../src/contract/collector.ts";

const base = "OTEL_EXPORTER_OTLP_ENDPOINT";
const traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const local = { HEDDLE_BOOT: "b" };

it.each<[CollectorVariables, string | undefined]>([
  [{}, undefined],
  [{ [base]: "" }, undefined],
  [{ [base]: "https://c.example" }, "https://c.example/v1/traces"],
  [{ [base]: "https://c.example/otlp/" }, "https://c.example/otlp/v1/traces"],
  [{ [traces]: "https://c.example/in" }, "https://c.example/in"],
  [{ [base]: "https://other.example", [traces]: "https://c.example/in" }, "https://c.example/in"],
  [{ [base]: "http://localhost:4318", ...local }, "http://localhost:4318/v1/traces"],
  [{ [base]: "http://collector:4318", ...local }, "http://collector:4318/v1/traces"],
])("%j goes to %s", (variables, url) => {
  expect(parseCollector(variables)).toEqual({ ok: true, ...(url && { collector: { url, headers: {} } }) });
});

it("headers are pairs, their values percent-encoded; those for traces go before the others", () => {
  const of = (headers: object) => parseCollector({ [base]: "https://c.example", ...headers });
  const both = {
    OTEL_EXPORTER_OTLP_HEADERS: "a=b",
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: "Authorization=Basic%20dXNlcjpwYXNz, x-team = a%2Cb ,x-key=a=b==",
  };
  expect(of(both)).toMatchObject({
    collector: { headers: { authorization: "Basic dXNlcjpwYXNz", "x-team": "a,b", "x-key": "a=b==" } },
  });
  expect(of({ OTEL_EXPORTER_OTLP_HEADERS: "a=b" })).toMatchObject({ collector: { headers: { a: "b" } } });
});

it.each<[CollectorVariables, RegExp]>([
  [{ [base]: "c.example:4318" }, /^OTEL_EXPORTER_OTLP_ENDPOINT must be an https address$/],
  [{ [base]: "http://c.example" }, /must be an https address$/],
  [{ [traces]: "ftp://c.example", ...local }, /^OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be .*http one$/],
  [{ [base]: "https://me:s3cret@c.example" }, /must hold no user name/],
  [{ [base]: "https://c.example", OTEL_EXPORTER_OTLP_HEADERS: "s3cret" }, /^OTEL_EXPORTER_OTLP_HEADERS must be/],
  [{ [base]: "https://c.example", OTEL_EXPORTER_OTLP_HEADERS: "a=s3cret%" }, /must be name=value/],
  [{ [base]: "https://c.example", OTEL_EXPORTER_OTLP_HEADERS: "a=s3cret%0d%0ab: c" }, /must be name=value/],
])("%j is refused, without a word of a secret", (variables, message) => {
  const found = parseCollector(variables);
  expect(found).toEqual({ ok: false, message: expect.stringMatching(message) });
  expect(JSON.stringify(found)).not.toContain("s3cret");
});
