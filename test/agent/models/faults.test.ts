import { describe, expect, test } from "vitest";
import {
  faultOf,
  MalformedStream,
  retryAfterMs,
  safeText,
  UnsendableRequest,
} from "../../../src/agent/models/faults.ts";
import { faultMessageCharsMax } from "../../../src/limits.ts";

/** As the SDKs throw them: Anthropic's `error` is the body, OpenAI's the object inside it. */
const anthropic = (status: number, type: string, message: string) => ({
  status,
  error: { type: "error", error: { type, message } },
  message: `${status} …`,
});
const detailed = (status: number, type: string, error_code: string) => ({
  status,
  error: { type: "error", error: { type, message: "…", details: { error_code } } },
  message: `${status} …`,
});
const openai = (status: number, code: string | null, message: string, type = "invalid_request_error") => ({
  status,
  error: { code, message, type },
  message: `${status} …`,
});

describe("codes", () => {
  test.each([
    [anthropic(429, "rate_limit_error", "slow"), "provider_rate_limited"],
    [openai(429, "rate_limit_exceeded", "slow"), "provider_rate_limited"],
    [anthropic(529, "overloaded_error", "busy"), "provider_overloaded"],
    [anthropic(500, "overloaded_error", "busy"), "provider_overloaded"],
    [anthropic(500, "api_error", "oops"), "provider_unavailable"],
    [openai(503, null, "busy", "server_error"), "provider_overloaded"],
    [openai(502, null, "bad gateway", "x"), "provider_unavailable"],
    [openai(504, null, "late", "x"), "provider_timeout"],
    [openai(408, null, "late"), "provider_timeout"],
    [openai(409, null, "locked"), "provider_unavailable"],
    [anthropic(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), "context_too_long"],
    [
      anthropic(
        400,
        "invalid_request_error",
        "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000",
      ),
      "context_too_long",
    ],
    [anthropic(413, "request_too_large", "Request exceeds the maximum size"), "context_too_long"],
    [openai(400, "context_length_exceeded", "too many tokens"), "context_too_long"],
    [
      openai(400, null, "This model's maximum context length is 8192 tokens, however you requested 9000"),
      "context_too_long",
    ],
    [openai(400, null, "the request exceeds the available context size"), "context_too_long"],
    [anthropic(400, "invalid_request_error", "max_tokens: too large"), "provider_rejected"],
    [anthropic(400, "invalid_request_error", "context_management: unknown field"), "provider_rejected"],
    [anthropic(401, "authentication_error", "bad key"), "provider_auth"],
    [openai(403, null, "country not supported"), "provider_auth"],
    [openai(429, "insufficient_quota", "You exceeded your current quota", "insufficient_quota"), "provider_quota"],
    [openai(429, "billing_hard_limit_reached", "no"), "provider_quota"],
    [openai(402, null, "pay"), "provider_quota"],
    [detailed(429, "rate_limit_error", "contract_spend_limit_reached"), "provider_quota"],
    [detailed(429, "rate_limit_error", "enforced_spend_limit_reached"), "provider_quota"],
    [detailed(429, "rate_limit_error", "ramp_limit_exceeded"), "provider_rate_limited"],
    [
      anthropic(400, "invalid_request_error", "You have reached your specified API usage limits. You will regain …"),
      "provider_quota",
    ],
    [anthropic(400, "invalid_request_error", "Your credit balance is too low to access the API."), "provider_quota"],
    [{ error: { type: "error", error: { type: "rate_limit_error", message: "slow" } } }, "provider_rate_limited"],
    [{ error: { code: "context_length_exceeded", message: "no" } }, "context_too_long"],
    [{ error: { type: "authentication_error", message: "no" } }, "provider_auth"],
    [{ error: { type: "timeout_error", message: "no" } }, "provider_timeout"],
    [openai(404, "model_not_found", "no such model"), "provider_rejected"],
    [
      { status: undefined, error: { type: "error", error: { type: "overloaded_error", message: "busy" } } },
      "provider_overloaded",
    ],
    [{ status: undefined, error: { type: "something_new", message: "?" } }, "provider_unavailable"],
    [Object.assign(new Error("Connection error."), { cause: new Error("ECONNREFUSED") }), "network"],
    [new TypeError("terminated"), "network"],
    [new SyntaxError("Unexpected token"), "network"],
    [new MalformedStream("half"), "network"],
    [new UnsendableRequest("no"), "provider_rejected"],
    ["thrown text", "network"],
  ])("%j is %s", (error, code) => {
    expect(faultOf(error, []).code).toBe(code);
  });
});

describe("waiting", () => {
  const now = Date.parse("2026-11-23T10:00:00Z");
  test.each([
    [{ "retry-after": "7" }, 7000],
    [{ "retry-after": "0.25" }, 250],
    [{ "retry-after": "Mon, 23 Nov 2026 10:01:30 GMT" }, 90_000],
    [{ "retry-after": "Mon, 23 Nov 2026 09:00:00 GMT" }, 0],
    [{ "retry-after-ms": "1500", "retry-after": "9" }, 1500],
    [{ "retry-after": "soon" }, undefined],
    [{}, undefined],
  ])("%j asks for %s ms", (headers, expected) => {
    expect(retryAfterMs(new Headers(headers as Record<string, string>), now)).toBe(expected);
  });
});

describe("messages", () => {
  test("hold no credentials", () => {
    expect(safeText("key my-own-secret is wrong", ["my-own-secret"])).toBe("key [key] is wrong");
    expect(safeText("Incorrect API key provided: sk-proj-****abcd.", [])).not.toContain("abcd");
    expect(safeText("sent Authorization: Bearer eyJhbGciOi", [])).toBe("sent Authorization: Bearer [key]");
    expect(safeText("hdl_local_admin was used", [])).toBe("[key] was used");
  });
  test("are read in no time, whatever a server writes: the thread is everybody's", () => {
    const words = "context limit ".repeat(50_000);
    expect(faultOf(openai(400, null, words), []).code).toBe("provider_rejected");
    expect(faultOf(openai(400, words, "x"), []).code).toBe("provider_rejected");
    expect(faultOf({ error: { type: words, message: words } }, []).code).toBe("provider_unavailable");
  });

  test("are one short line", () => {
    const text = safeText(`<html>\n\u0000 ${"x".repeat(5000)}`, []);
    expect(text).toHaveLength(faultMessageCharsMax);
    expect(text).not.toMatch(/[\n\u0000]/);
  });
});
