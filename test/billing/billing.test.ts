/** Which settings a billing provider takes, what it is sent, and what its answers mean. */

import { describe, expect, it, test } from "vitest";
import { meaningOf } from "../../src/billing/answer.ts";
import { formOf, meterEventOf } from "../../src/billing/meter-event.ts";
import { type BillingVariables, meterNames, parseBilling } from "../../src/contract/billing.ts";

const event = {
  identifier: "hdl-1",
  hour: Date.parse("2026-11-26T10:00:00Z"),
  meter: "heddle_input_tokens",
  model: "claude & co",
  value: 25,
  customer: "cus_123",
};

it("an event is a form for version 1 and an object of version 2, with a payload of texts", () => {
  expect(Object.fromEntries(new URLSearchParams(formOf(event).toString()))).toEqual({
    event_name: "heddle_input_tokens",
    identifier: "hdl-1",
    timestamp: "1795687200",
    "payload[stripe_customer_id]": "cus_123",
    "payload[value]": "25",
    "payload[model]": "claude & co",
  });
  expect(meterEventOf({ ...event, model: "" })).toEqual({
    event_name: "heddle_input_tokens",
    identifier: "hdl-1",
    timestamp: "2026-11-26T10:00:00.000Z",
    payload: { stripe_customer_id: "cus_123", value: "25" },
  });
});

const error = (body: object) => JSON.stringify({ error: body });
test.each([
  [200, "{}", {}, { kind: "taken" }],
  [400, error({ code: "duplicate_meter_event", message: "known" }), {}, { kind: "taken" }],
  [400, error({ message: "An event already exists with identifier hdl-1." }), {}, { kind: "taken" }],
  [400, error({ message: "No meter" }), {}, { kind: "refused", why: "it answered 400: No meter" }],
  [302, "", {}, { kind: "refused" }],
  [404, "no such page", {}, { kind: "refused", why: "it answered 404: no such page" }],
  [401, error({ message: "bad s3cret" }), {}, { kind: "later", isDoubtful: false, why: "it answered 401: bad [key]" }],
  [429, "", { "retry-after": "7" }, { kind: "later", isDoubtful: false, afterMs: 7000 }],
  [409, error({ message: "in use" }), {}, { kind: "later", isDoubtful: true }],
  [503, "", {}, { kind: "later", isDoubtful: true }],
] as const)("an answer of %i %s", (status, text, headers, meaning) => {
  const answer = meaningOf({ status, headers: new Headers(headers as Record<string, string>) }, text, ["s3cret"]);
  expect(answer).toMatchObject(meaning);
});

describe("settings", () => {
  const parse = (variables: BillingVariables) => parseBilling(variables);
  it("are none, a key, another address, some of the meters", () => {
    expect(parse({})).toEqual({ ok: true, billing: { meters: meterNames } });
    expect(parse({ HEDDLE_BILLING_KEY: "sk_1" })).toMatchObject({
      billing: { provider: { url: "https://api.stripe.com", key: "sk_1" } },
    });
    expect(
      parse({
        ...{ HEDDLE_BILLING_KEY: "k", HEDDLE_BILLING_URL: "http://127.0.0.1:1/", HEDDLE_BOOT: "1" },
        HEDDLE_BILLING_METERS: "heddle_task_seconds, heddle_input_tokens",
      }),
    ).toEqual({
      ok: true,
      billing: {
        meters: ["heddle_input_tokens", "heddle_task_seconds"],
        provider: { url: "http://127.0.0.1:1", key: "k" },
      },
    });
  });
  test.each([
    [{ HEDDLE_BILLING_URL: "https://a.test" }, /HEDDLE_BILLING_KEY is not/],
    [{ HEDDLE_BILLING_KEY: "k", HEDDLE_BILLING_URL: "http://a.test" }, /https address/],
    [{ HEDDLE_BILLING_KEY: "k", HEDDLE_BILLING_URL: "https://u:p@a.test" }, /without user name/],
    [{ HEDDLE_BILLING_KEY: "k", HEDDLE_BILLING_URL: "nothing" }, /https address/],
    [{ HEDDLE_BILLING_KEY: "a b" }, /HEDDLE_BILLING_KEY/],
    [{ HEDDLE_BILLING_METERS: "tokens" }, /names "tokens"; there are heddle_input_tokens/],
  ])("that can't be used are told by their name: %j", (variables, message) => {
    const found = parse(variables);
    expect(found.ok ? "" : found.message).toMatch(message);
  });
});
