/** Calls that are several requests: each has an Idempotency-Key of its own, since a server refuses one that was another request's. */

import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { Heddle } from "../../src/client/index.ts";
import { digestOf, noDigest } from "../../src/context/line-digest.ts";
import { importRequestBytes } from "../../src/limits.ts";
import { type Answer, type Call, problem, TestServer } from "../cli/lib/contract-server.ts";

let answer: (call: Call) => Answer;
/** The requests that came with a key, by it. */
const used = new Map<string, string>();
const server = new TestServer((call) => {
  const key = call.headers["idempotency-key"] as string | undefined;
  const request = `${call.path} ${JSON.stringify(call.body)}`;
  if (key !== undefined && (used.get(key) ?? request) !== request) return problem(422, "idempotency_mismatch");
  if (key !== undefined) used.set(key, request);
  if (call.method === "DELETE") return { status: 204 };
  return answer(call);
});
beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  used.clear();
  server.calls.length = 0;
});
const opened: Answer = { status: 201, body: { id: "A1", ttl_ms: 60_000 } };
const heddle = () => new Heddle({ url: server.url, key: "hdl_k", retryMs: 0 });
const needsActor = { status: 200, body: { error: { code: "needs_actor", message: "m", hint: "h" } } };

it("an op that has to wait takes its session's call for another request", async () => {
  answer = ({ body, path }) =>
    path.endsWith("/actors")
      ? opened
      : body.actor === undefined
        ? needsActor
        : { status: 200, body: { result: { messages: ["m"] } } };
  expect(await heddle().runs.get("r").queue("q").take({ idempotencyKey: "mine" })).toBe("m");
  expect([...used.keys()]).toEqual(expect.arrayContaining(["mine", "mine.session1"]));
});

it("an op that had to wait is found again by another program, in the session that it has come to", async () => {
  // Of a session that was over before it had an answer nothing is known.
  const over = new Set(["A1", "A2"]);
  const sessions: string[] = [];
  answer = ({ headers, body, path }) => {
    if (path.endsWith("/actors")) {
      const name = String(headers["idempotency-key"]);
      if (!sessions.includes(name)) sessions.push(name);
      return { status: 201, body: { id: `A${sessions.indexOf(name) + 1}`, ttl_ms: 60_000 } };
    }
    if (body.actor === undefined) return needsActor;
    if (over.has(body.actor)) return problem(404, "not_found");
    return { status: 200, body: { result: { messages: [`${body.actor} ${body.call_id}`] } } };
  };
  const take = () => heddle().runs.get("r").queue("q").take({ idempotencyKey: "mine" });
  expect(await take()).toBe("A3 pop");
  expect(await take()).toBe("A3 pop");
  expect(sessions).toEqual(["mine.session1", "mine.session2", "mine.session3"]);
  const barrier = () => heddle().runs.get("r").barrier("b", { parties: 2 }).wait({ idempotencyKey: "other" });
  answer = ((before) => (call: Call) => {
    const made = before(call);
    return call.path.endsWith("/tools/barrier") ? { status: 200, body: { result: { at: call.body.actor } } } : made;
  })(answer);
  expect([await barrier(), await barrier()]).toEqual([{ at: "A4" }, { at: "A4" }]);
});

it("several locks are given back with one key, each by a call of its own", async () => {
  answer = ({ path, body: { arguments: args } }) =>
    path.endsWith("/actors")
      ? opened
      : { status: 200, body: { result: args.op === "acquire" ? { tokens: { a: 1, b: 2 } } : {} } };
  const run = heddle().runs.get("r");
  await using session = await run.session();
  const hold = await run.lock("a", "b").acquire({ session });
  await hold.release({ idempotencyKey: "mine" });
  const released = server.calls.filter(({ body }) => body?.arguments?.op === "release");
  expect(released.map(({ body }) => body.arguments.name).sort()).toEqual(["a", "b"]);
  expect(new Set(released.map(({ headers }) => headers["idempotency-key"])).size).toBe(2);
});

it("a run's file goes in under the caller's key, request after request, so that a repeat of all is the same", async () => {
  const body = ['{"heddle_export":1}', JSON.stringify({ piece: "x".repeat(importRequestBytes) })];
  const lines = [...body, JSON.stringify({ end: true, lines: 2, digest: body.reduce(digestOf, noDigest) })];
  const keys: unknown[] = [];
  const own: typeof fetch = async (_, init) => {
    keys.push(new Headers(init?.headers).get("idempotency-key"));
    return Response.json({ id: "imp_1", lines: keys.length, ...(keys.length === 3 && { run: { id: "run_1" } }) });
  };
  const client = new Heddle({ url: server.url, key: "hdl_k", fetch: own });
  expect(await client.importRun(lines, { idempotencyKey: "mine" })).toMatchObject({ id: "run_1" });
  expect(keys).toEqual(["mine.0", "mine.1", "mine.2"]);
});
