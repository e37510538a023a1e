/** Sessions against a server that forgets them, or goes away, at will: what a real one does at no set moment. */

import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { Heddle, HoldLost, SessionLost } from "../../src/client/index.ts";
import { type Answer, type Call, problem, TestServer } from "../cli/lib/contract-server.ts";

/** Where it is to be lost; where it is to be kept, long enough for a machine that is busy. */
const shortMs = 240;
const longMs = 1500;
let ttl_ms = shortMs;
let other: (call: Call) => Answer | undefined | Promise<Answer | undefined>;
const server = new TestServer((call) => {
  if (call.method === "POST" && call.path.endsWith("/actors")) return { status: 201, body: { id: "A1", ttl_ms } };
  if (call.method === "DELETE") return { status: 204 };
  if (call.body?.arguments?.op === "acquire") return { status: 200, body: { result: { token: 7 } } };
  return other(call);
});
const renewals = () => server.of("POST", /renew$/).length;
const released = { status: 200, body: { result: {} } };
let heddle: Heddle;
beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  server.calls.length = 0;
  ttl_ms = longMs;
  heddle = new Heddle({ url: server.url, key: "hdl_k", retryMs: 0 });
});
const renewed = { status: 200, body: { id: "A1", ttl_ms: 0 } };
/** Until the signal aborts, as long as a test may take. */
const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

it("[S1] is renewed while a body runs, however long, and closed after it", async () => {
  other = ({ path }) => (path.endsWith("/renew") ? renewed : released);
  const token = await heddle.runs
    .get("r")
    .lock("l")
    .with(async (hold, signal) => {
      while (renewals() < 4 && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20));
      signal.throwIfAborted();
      return hold.token;
    });
  expect(token).toBe(7);
  expect(server.calls.at(-2)?.body).toMatchObject({ arguments: { op: "release", name: "l", token: 7 }, actor: "A1" });
  expect(server.calls.at(-1)).toMatchObject({ method: "DELETE", path: "/v1/runs/r/actors/A1" });
  const before = renewals();
  await new Promise((resolve) => setTimeout(resolve, longMs / 2));
  expect(renewals()).toBe(before);
});

it("[S2] aborts the body when the server no longer knows it", async () => {
  other = () => problem(404, "not_found");
  ttl_ms = shortMs;
  const reasons: unknown[] = [];
  const body = heddle.runs
    .get("r")
    .lock("l")
    .with(async (_, signal) => {
      await aborted(signal);
      reasons.push(signal.reason);
    });
  await expect(body).rejects.toBeInstanceOf(SessionLost);
  expect(reasons[0]).toBeInstanceOf(SessionLost);
});

it("[S2] aborts the body when its time has run out and nobody answered", async () => {
  other = () => undefined;
  ttl_ms = shortMs;
  const startedAt = Date.now();
  const body = heddle.runs
    .get("r")
    .lock("l")
    .with((_, signal) => aborted(signal));
  await expect(body).rejects.toMatchObject({ name: "SessionLost", session: "A1" });
  expect(Date.now() - startedAt).toBeGreaterThanOrEqual(shortMs - 10);
});

it("a renewal that fails once is made again in time", async () => {
  let failures = 1;
  other = ({ path }) => {
    if (!path.endsWith("/renew")) return released;
    return failures-- > 0 ? undefined : renewed;
  };
  await heddle.runs
    .get("r")
    .lock("l")
    .with(async (_, signal) => {
      while (renewals() < 3 && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20));
      signal.throwIfAborted();
    });
});

it("a hold that ended by itself is told, but not over what the body threw", async () => {
  const notHolder = { code: "not_holder", message: "there is nothing to release", hint: "" };
  other = ({ path }) => (path.endsWith("/renew") ? renewed : { status: 200, body: { error: notHolder } });
  const lock = heddle.runs.get("r").lock("l");
  await expect(lock.with(() => 1)).rejects.toBeInstanceOf(HoldLost);
  await expect(lock.with(() => Promise.reject(new Error("mine")))).rejects.toThrow("mine");
});

it("an abort of the caller reaches the body and is no lost session", async () => {
  other = ({ path }) => (path.endsWith("/renew") ? renewed : released);
  const abort = new AbortController();
  const body = heddle.runs
    .get("r")
    .lock("l")
    .with(
      async (_, signal) => {
        setTimeout(() => abort.abort(new Error("enough")), 5);
        await aborted(signal);
        signal.throwIfAborted();
      },
      { signal: abort.signal },
    );
  await expect(body).rejects.toThrow("enough");
  expect(server.of("DELETE", /actors/)).toHaveLength(1);
});

it("one that is given up while it is opened is closed as soon as it is there", async () => {
  let opened: (answer: Answer) => void = () => undefined;
  const late = new TestServer(({ method }) =>
    method === "DELETE" ? { status: 204 } : new Promise<Answer>((resolve) => (opened = resolve)),
  );
  await late.start();
  const abort = new AbortController();
  const slow = new Heddle({ url: late.url, key: "hdl_k", retryMs: 0 });
  const body = slow.runs.get("r").lock("l").acquire({ signal: abort.signal });
  while (late.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  abort.abort(new Error("enough"));
  await expect(body).rejects.toThrow("enough");
  opened({ status: 201, body: { id: "A9", ttl_ms } });
  while (late.of("DELETE", /A9$/).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await late.stop();
});
