/** Sessions against a server that forgets them, or goes away, at will: what a real one does at no set moment. */

import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { Heddle, HeddleUnreachable, HoldLost, SessionLost } from "../../src/client/index.ts";
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

it("a hold in a given session is still held when its release got no answer, and is given back once by the next", async () => {
  const given: string[] = [];
  let isAway = true;
  other = ({ path, body }) => {
    if (path.endsWith("/renew")) return renewed;
    if (body.arguments.op === "release") given.push(body.call_id);
    return isAway ? undefined : released;
  };
  const run = heddle.runs.get("r");
  const session = await run.session();
  const hold = await run.lock("l").acquire({ session });
  await expect(hold.release()).rejects.toBeInstanceOf(HeddleUnreachable);
  isAway = false;
  await hold.release();
  await hold.release();
  expect(given).toHaveLength(2);
  // The same call: had it been done the first time, it was not done twice.
  expect(new Set(given).size).toBe(1);
  await session.close();
});

it("a hold whose session was closed, or whose run has ended, is over and says nothing", async () => {
  other = ({ path }) => (path.endsWith("/renew") ? renewed : problem(409, "run_ended"));
  const run = heddle.runs.get("r");
  const [ended, closed] = await Promise.all([run.session(), run.session()]);
  const inEnded = await run.lock("l").acquire({ session: ended });
  const inClosed = await run.lock("l").acquire({ session: closed });
  await closed.close();
  await inEnded.release();
  await inClosed.release();
  await ended.close();
});

it("of several locks each is given back, whatever becomes of the others", async () => {
  const notHolder = { code: "not_holder", message: "there is nothing to release", hint: "" };
  const names: string[] = [];
  const several = new TestServer(({ method, path, body }) => {
    if (method === "POST" && path.endsWith("/actors")) return { status: 201, body: { id: "A1", ttl_ms } };
    if (method === "DELETE") return { status: 204 };
    const { op, name } = body.arguments;
    if (op === "acquire") return { status: 200, body: { result: { tokens: { a: 1, b: 2, c: 3 } } } };
    names.push(name);
    return { status: 200, body: name === "a" ? { error: notHolder } : { result: {} } };
  });
  await several.start();
  const run = new Heddle({ url: several.url, key: "hdl_k", retryMs: 0 }).runs.get("r");
  const session = await run.session();
  const hold = await run.lock("a", "b", "c").acquire({ session });
  await expect(hold.release()).rejects.toBeInstanceOf(HoldLost);
  expect(names.sort()).toEqual(["a", "b", "c"]);
  await session.close();
  await several.stop();
});

it("an abort ends a wait though the server takes no session back any more, and soon a body's hold", async () => {
  let isHung = false;
  const hanging = new TestServer(({ method, path, body }) => {
    if (isHung) return new Promise<never>(() => undefined);
    if (method === "POST" && path.endsWith("/actors")) return { status: 201, body: { id: "A1", ttl_ms: 60_000 } };
    if (body?.arguments?.name === "free") return { status: 200, body: { result: { token: 7 } } };
    return new Promise<never>(() => undefined);
  });
  await hanging.start();
  const run = new Heddle({ url: hanging.url, key: "hdl_k" }).runs.get("r");
  const abort = new AbortController();
  const { signal } = abort;
  const messages = run.queue("q").messages({ signal });
  let isHeld = false;
  const untilAborted = async (_: unknown, own: AbortSignal) => {
    isHeld = true;
    await aborted(own);
    own.throwIfAborted();
  };
  const waits = [
    run.lock("l").acquire({ signal }),
    run.lock("l").tryAcquire({ signal }),
    run.semaphore("s").acquire({ signal }),
    run.barrier("b", { parties: 2 }).wait({ signal }),
    run.queue("q").take({ signal }),
    run.future("f").value({ signal }),
    messages.next(),
    run.lock("free").with(untilAborted, { signal }),
  ];
  const asked = () => hanging.of("POST", /tools/).length;
  // A lock whose grant is still under way is no hold yet: an abort gives up its session, as those that wait do.
  while (asked() < waits.length || !isHeld) await new Promise((resolve) => setTimeout(resolve, 5));
  isHung = true;
  const abortedAt = performance.now();
  abort.abort(new Error("enough"));
  const ends = await Promise.allSettled(waits);
  expect(performance.now() - abortedAt).toBeLessThan(10_000);
  expect(ends.map((end) => end.status === "rejected" && (end.reason as Error).message)).toEqual(
    waits.map(() => "enough"),
  );
  // Each that waited in a session has asked for its end; what can be had at once needs none, and the body's hold is given back first.
  expect(hanging.of("DELETE", /A1$/)).toHaveLength(5);
  await hanging.stop();
});

it("[S2] aborts the body when its time has run out, also where the clock is set back meanwhile", async () => {
  other = ({ path }) => (path.endsWith("/renew") ? undefined : released);
  const { now } = Date;
  const clock = vi.spyOn(Date, "now");
  const body = heddle.runs
    .get("r")
    .lock("l")
    .with((_, signal) => {
      clock.mockImplementation(() => now() - 3_600_000);
      return aborted(signal);
    });
  try {
    await expect(body).rejects.toBeInstanceOf(SessionLost);
  } finally {
    clock.mockRestore();
  }
});
