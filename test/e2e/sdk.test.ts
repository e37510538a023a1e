/** Runs as objects, against a real server. */

import { expect, it } from "vitest";
import {
  FutureRejected,
  isProblem,
  isToolError,
  NoTaskSucceeded,
  type Run,
  SessionLost,
  TaskFailed,
} from "../../src/client/index.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, says } from "./lib/sim.ts";

const { heddle } = sharedServer();

const failing = plays([{ calls: [{ tool: "finish", arguments: { error: { code: "sad", message: "no luck" } } }] }]);
const finishing = (result: unknown) => plays([{ calls: [{ tool: "finish", arguments: { result } }] }]);

it("tasks have results with their types, in argument order, and failures are errors that name the task", async () => {
  await using run = await heddle.runs.create({ name: "tasks" });
  const one = await run.tasks.create<{ n: number }>({ key: "one", instructions: finishing({ n: 1 }) });
  const [two, three] = await run.tasks.create<string>([
    { key: "two", instructions: says("two", { latency_ms: 50 }) },
    { key: "three", after: ["two"], instructions: says("three") },
  ]);
  const results = await run.tasks.all([three!, one, two!]);
  expect(results).toEqual(["three", { n: 1 }, "two"]);
  expect(results[1].n).toBe(1);
  expect(await one.result()).toEqual({ n: 1 });

  const sad = await run.tasks.create({ key: "sad", instructions: failing });
  await expect(sad.result()).rejects.toMatchObject({ name: "TaskFailed", code: "sad", task: { key: "sad" } });
  await expect(run.tasks.all([one, sad])).rejects.toBeInstanceOf(TaskFailed);
  expect(await run.tasks.any(["sad", one])).toMatchObject({ result: { n: 1 }, task: { key: "one" } });
  await expect(run.tasks.any([sad])).rejects.toBeInstanceOf(NoTaskSucceeded);
  expect(await run.tasks.settled([one, sad])).toMatchObject([
    { state: "succeeded", result: { n: 1 } },
    { state: "failed", error: { code: "sad" } },
  ]);
  // As an agent outside: a wait that takes several polls.
  await run.tasks.create({ key: "slow", instructions: says("slow", { latency_ms: 300 }) });
  const waited = run.tool("await_tasks", { tasks: ["slow"] }, { wait_ms: 20 });
  expect(await waited).toMatchObject({ tasks: [{ state: "succeeded", result: "slow" }] });
  const keys: (string | null)[] = [];
  for await (const { key } of run.tasks.list({ limit: 2 })) keys.push(key);
  expect(keys).toEqual(["one", "two", "three", "sad", "slow"]);
  await expect(run.tasks.get("nobody").result()).rejects.toSatisfy((error) => isProblem(error, "not_found"));
});

it("fork sends only what is new, after what the run has, also from a run that was found again", async () => {
  const seen: { after: string; messages: unknown[] }[] = [];
  const watched = new (heddle.constructor as typeof import("../../src/client/index.ts").Heddle)({
    url: heddle.url,
    key: "hdl_local",
    fetch: (url, init) => {
      if (init?.method === "POST" && String(url).endsWith("/context")) seen.push(JSON.parse(String(init?.body)));
      return fetch(url, init);
    },
  });
  const said = (role: string, content: string) => ({ role, content });
  const messages = [said("user", "one")];
  const run = await watched.runs.create({ context: { messages } });
  const first = await run.fork(messages);
  expect(seen).toEqual([]);
  messages.push(said("assistant", "two"), said("user", "three"));
  // At once, as calls of one reply do: it is sent once.
  const [second, same] = await Promise.all([run.fork(messages), run.fork([...messages])]);
  expect(same.snapshot).toBe(second.snapshot);
  messages.push(said("assistant", "four"));
  await run.fork(messages);
  expect(seen).toEqual([
    { after: first.snapshot, messages: messages.slice(1, 3) },
    { after: second.snapshot, messages: messages.slice(3) },
  ]);
  // Another way on from an earlier point is no new conversation.
  const other = await run.fork([messages[0]!, said("assistant", "else")]);
  expect(seen.at(-1)).toEqual({ after: first.snapshot, messages: [said("assistant", "else")] });

  const again = watched.runs.get(run.id);
  await again.fork([...messages, said("user", "five")]);
  expect(seen.at(-1)!.messages).toEqual(expect.arrayContaining([said("user", "five")]));
  await again.fork([said("user", "nothing of it")]);
  expect(seen.at(-1)!.messages).toEqual([said("user", "nothing of it")]);

  const task = await second.tasks.create({ instructions: says("done") });
  expect(await task.result()).toBe("done");
  expect((await task.context()).messages.slice(0, 3)).toEqual(messages.slice(0, 3));
  expect((await task.view()).fork.snapshot).toBe(second.snapshot);
  expect(other.snapshot).not.toBe(second.snapshot);
  await run.delete();
});

it("locks are held while a body runs, guard writes, and go to the next one", async () => {
  await using run = await heddle.runs.create();
  const map = run.map<number>("m");
  const bodies = Array.from({ length: 3 }, () =>
    run.lock("l").with(async (hold, signal) => {
      expect(signal.aborted).toBe(false);
      await map.set("k", ((await map.get("k")) ?? 0) + 1, { fence: hold.fence });
      return hold.token;
    }),
  );
  expect((await Promise.all(bodies)).sort()).toEqual([1, 2, 3]);
  expect(await map.get("k")).toBe(3);
  await expect(map.set("k", 9, { fence: { lock: "l", token: 1 } })).rejects.toMatchObject({
    code: "stale_fence",
    details: { newest: 3 },
  });
  // What the body throws comes out, and nobody holds it afterwards.
  const thrown = run.lock("l").with(() => Promise.reject(new Error("mine")));
  await expect(thrown).rejects.toThrow("mine");

  await using several = await run.lock("b", "a").acquire();
  expect(Object.keys(several.fences).sort()).toEqual(["a", "b"]);
  expect(await run.lock("a").tryAcquire()).toBeUndefined();
  // The tool is named once, also where the message begins with it.
  await expect(run.lock("").acquire()).rejects.toMatchObject({
    message: "lock: \"\" can't be a variable's name",
    code: "bad_name",
  });
  await expect(run.lock("a").acquire({ timeout_ms: 50 })).rejects.toSatisfy((e) => isToolError(e, "timed_out"));
  const abort = new AbortController();
  const waiting = run.lock("a").acquire({ signal: abort.signal });
  setTimeout(() => abort.abort(new Error("enough")), 50);
  await expect(waiting).rejects.toThrow("enough");
  await several.release();
  const free = await run.lock("a").tryAcquire();
  expect(free?.token).toBeGreaterThan(0);
  await free?.release();
  await expect.poll(async () => (await heddle.actors(run.id)).actors, { timeout: 10_000 }).toEqual([]);
});

it("a session that is lost aborts the body, and says so", async () => {
  await using run = await heddle.runs.create();
  await using session = await run.session({ name: "mine" });
  const body = run.lock("l").with(
    async (_, signal) => {
      await heddle.closeActor(run.id, session.id);
      // Noticed by its next call; a renewal would notice as well.
      await run
        .lock("other")
        .acquire({ session })
        .catch(() => undefined);
      signal.throwIfAborted();
    },
    { session },
  );
  await expect(body).rejects.toBeInstanceOf(SessionLost);
  expect(session.signal.reason).toBeInstanceOf(SessionLost);
});

it("messages, futures, barriers and permits wait without a session of the caller's", async () => {
  await using run = await heddle.runs.create();
  const queue = run.queue<{ n: number }>("q");
  const taken = (async () => {
    const all: number[] = [];
    for await (const { n } of queue) all.push(n);
    return all;
  })();
  const popped = run.queue<string>("p").take();
  await queue.push([{ n: 1 }, { n: 2 }]);
  await run.queue<string>("p").push(["x"]);
  await queue.close();
  expect(await taken).toEqual([1, 2]);
  expect(await popped).toBe("x");
  expect(await queue.pop()).toBeUndefined();
  expect(await run.queue("p").size()).toBe(0);

  const future = run.future<{ ok: boolean }>("f");
  expect(await future.peek()).toMatchObject({ state: "pending" });
  const value = future.value({ external: true });
  await future.resolve({ ok: true });
  expect(await value).toEqual({ ok: true });
  expect(await future.value()).toEqual({ ok: true });
  await run.future("g").reject("never");
  await expect(run.future("g").value()).rejects.toBeInstanceOf(FutureRejected);

  const barrier = run.barrier("b", { parties: 2 });
  const arrived = await Promise.all([barrier.wait(), barrier.wait()]);
  expect(arrived.map(({ index }) => index).sort()).toEqual([0, 1]);

  const semaphore = run.semaphore("s");
  await expect(semaphore.acquire()).rejects.toMatchObject({ code: "not_created" });
  await semaphore.create(2);
  expect(await semaphore.with(() => "in", { permits: 2 })).toBe("in");
});

it("data is read and written without losing a write", async () => {
  await using run = await heddle.runs.create();
  const best = run.atomic("best");
  expect([await best.get(), await best.add(2), await best.exchange(7)]).toEqual([0, 2, 2]);
  expect(await best.compareAndSet(1, 2)).toEqual({ ok: false, value: 7 });

  const map = run.map<number>("m");
  expect(await map.get("a")).toBeUndefined();
  await Promise.all(Array.from({ length: 5 }, () => map.update("a", (n = 0) => n + 1)));
  expect([await map.get("a"), await map.increment("b"), await map.size()]).toEqual([5, 1, 2]);
  await expect(map.set("a", 1, { if_version: 0 })).rejects.toMatchObject({ code: "version_mismatch" });
  const entries: string[] = [];
  for await (const { key, value } of map.entries()) entries.push(`${key}=${value}`);
  expect(entries).toEqual(["a=5", "b=1"]);
  expect(await map.delete("b")).toBe(true);

  const list = run.list<string>("l");
  await list.append(["x", "y"]);
  const { version } = await list.get(1);
  await list.set(1, "z", { if_version: version });
  const items: string[] = [];
  for await (const item of list.items()) items.push(item);
  expect([items, await list.size()]).toEqual([["x", "z"], 2]);

  const plan = run.memory("plan");
  await plan.write("1. read\n");
  await plan.append("2. write\n");
  await plan.edit("2. write", "2. test");
  expect((await plan.read()).text).toBe("1. read\n2. test\n");
  await expect(plan.edit("not there", "x")).rejects.toMatchObject({ code: "edit_no_match" });
  expect(await plan.view()).toMatchObject({ kind: "shared_memory" });
});

it("a run is followed to its end, found again, and left with what is live in it", async () => {
  let left: Run;
  {
    await using run = await heddle.runs.create({ name: "left" });
    left = run;
    expect((await run.setRules("- at most 3 workers")).limits.workers).toBe(3);
    expect((await run.rules()).rules).toEqual([{ from: "run", line: 1, rule: "at most 3 workers" }]);
    expect((await run.retain(2)).retention_days).toBe(2);
    const types: string[] = [];
    const following = (async () => {
      for await (const { type } of run.events()) types.push(type);
    })();
    await run.tasks.create({ instructions: says("slow", { latency_ms: 60_000 }) });
    await run.finish({ cancel: true });
    await following;
    expect(types.at(-1)).toBe("run_ended");
  }
  expect(await heddle.runs.get(left.id).view()).toMatchObject({ counts: { cancelled: 1 }, idle: true });
  await expect(left.atomic("a").add(1)).rejects.toSatisfy((error) => isProblem(error, "run_ended"));
});
