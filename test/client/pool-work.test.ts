/** What a worker in a program delivers of what the server does not take, or does not answer to. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Heddle, type WorkEnd, WorkFailed, type WorkOptions } from "../../src/client/index.ts";
import { renewEveryMs, taskProgressEveryMs } from "../../src/limits.ts";
import { type Call, PoolServer, problem } from "../cli/lib/contract-server.ts";

let server: PoolServer;
let heddle: Heddle;
beforeEach(async () => {
  server = await new PoolServer().start();
  heddle = new Heddle({ url: server.url, key: "hdl_k" });
});
afterEach(() => server.stop());

/** Serves what there is; how each task ended. */
async function served(options: Pick<WorkOptions, "run" | "signal" | "idleMs" | "drain">): Promise<WorkEnd[]> {
  const ends: WorkEnd[] = [];
  await heddle.work({ pool: "p", idleMs: 0, onEnd: (_, end) => ends.push(end), ...options });
  return ends;
}

it.each<[string, () => WorkFailed]>([
  ["a code that is none", () => new WorkFailed("No-Kettle", "There is none.", { retryable: true })],
  [
    "tokens that can't be",
    () => new WorkFailed("no_kettle", "There is none.", { retryable: true, usage: { input_tokens: -1 } }),
  ],
])("a failure with %s is one all the same, and says why it is told so", async (_, failed) => {
  server.add("t");
  const run = () => {
    throw failed();
  };
  expect(await served({ run })).toEqual(["failed"]);
  expect(server.outcomes).toMatchObject([{ error: { code: "loop_failed" }, retryable: true }]);
  expect(server.outcomes[0]!.error!.message).toContain("There is none.");
});

it("a result that is no JSON fails its task once, and says so", async () => {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  server.add("t");
  server.add("u");
  const run: WorkOptions["run"] = (task) => (task.id === "t" ? 1n : circle);
  expect(await served({ run })).toEqual(["failed", "failed"]);
  expect(server.outcomes).toMatchObject([
    { error: { code: "loop_failed", message: expect.stringContaining("BigInt") }, retryable: false },
    { error: { code: "loop_failed", message: expect.stringContaining("circular") }, retryable: false },
  ]);
});

it("a result that nobody takes because the server is away is no failure: the task is tried again when its lease is over", async () => {
  const stop = new AbortController();
  const answer = server.handler;
  const isDelivery = ({ path }: Call) => /\/(complete|fail)$/.test(path);
  server.handler = (call) => {
    if (!isDelivery(call)) return answer(call);
    stop.abort(new Error("stopped"));
    return undefined;
  };
  server.add("t");
  expect(await served({ run: () => "done", signal: stop.signal })).toEqual(["lost"]);
  expect(server.calls.filter(isDelivery).filter(({ path }) => path.endsWith("/fail"))).toEqual([]);
});

it("a task whose tokens are used up is lost to its worker: it has failed, and nothing more of it is delivered", async () => {
  const answer = server.handler;
  server.handler = (call) => (call.path.endsWith("/turn") ? problem(409, "max_tokens") : answer(call));
  server.add("t");
  const reasons: string[] = [];
  const run: WorkOptions["run"] = async (task) => {
    task.signal.addEventListener("abort", () => reasons.push(String(task.signal.reason)));
    await task.turn([]);
  };
  expect(await served({ run })).toEqual(["lost"]);
  expect(reasons).toMatchObject([expect.stringContaining("LeaseLost")]);
  expect(server.outcomes).toEqual([]);
});

it("is idle by a clock that nobody sets", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    const drain = new AbortController();
    const answer = server.handler;
    const waits: number[] = [];
    server.handler = (call) => {
      vi.setSystemTime(Date.now() + 3_600_000);
      if (waits.push(call.body.wait_ms) === 3) drain.abort();
      return answer({ ...call, body: { ...call.body, wait_ms: 0 } });
    };
    await served({ run: () => "done", idleMs: 5000, drain: drain.signal });
    expect(waits.length).toBeGreaterThanOrEqual(3);
    expect(waits.filter((ms) => !Number.isInteger(ms))).toEqual([]);
  } finally {
    vi.useRealTimers();
  }
});

it("renews its leases though the clock is set back meanwhile", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  try {
    const renewals = () => server.of("POST", /renew$/).length;
    server.add("t");
    const run = async () => {
      vi.setSystemTime(Date.now() - 3_600_000);
      await vi.advanceTimersByTimeAsync(renewEveryMs);
      while (renewals() === 0) await new Promise((resolve) => setImmediate(resolve));
      return "done";
    };
    expect(await served({ run })).toEqual(["succeeded"]);
  } finally {
    vi.useRealTimers();
  }
});

it("a report that the server does not take costs the task nothing: the lease is renewed without it", async () => {
  const answer = server.handler;
  server.handler = (call) =>
    call.body?.progress === undefined ? answer(call) : problem(422, "validation_failed", { errors: [] });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  try {
    server.add("t");
    const run: WorkOptions["run"] = async (task) => {
      task.progress({ message: "x".repeat(100_000) });
      await vi.advanceTimersByTimeAsync(taskProgressEveryMs);
      while (server.of("POST", /renew$/).length < 2 && !task.signal.aborted)
        await new Promise((resolve) => setImmediate(resolve));
      return "done";
    };
    expect(await served({ run })).toEqual(["succeeded"]);
    expect(server.of("POST", /renew$/)).toHaveLength(2);
  } finally {
    vi.useRealTimers();
  }
});

it.each([
  ["refuses", problem(413, "result_too_large")],
  ["does not know", problem(404, "not_found")],
  ["answers with an error", { status: 200, body: { error: { code: "bad_arguments", message: "m", hint: "h" } } }],
])("a task whose `finish` the server %s goes on, and its lease is renewed", async (_, refusal) => {
  const answer = server.handler;
  server.handler = (call) => (call.path.endsWith("/tools/finish") ? refusal : answer(call));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  try {
    server.add("t");
    const run: WorkOptions["run"] = async (task) => {
      await task.call("finish", { result: "much" }, "c").catch(() => undefined);
      await vi.advanceTimersByTimeAsync(renewEveryMs);
      while (server.of("POST", /renew$/).length === 0) await new Promise((resolve) => setImmediate(resolve));
      return "less";
    };
    expect(await served({ run })).toEqual(["succeeded"]);
    expect(server.outcomes).toMatchObject([{ task: "t", result: "less" }]);
  } finally {
    vi.useRealTimers();
  }
});
