/** A loop of one's own as a pull worker: it carries out the forks of its pool, on the vendors' SDKs. */

import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import {
  Heddle,
  type LeasedTask,
  LeaseLost,
  type WorkEnd,
  WorkFailed,
  type WorkOptions,
} from "../../src/client/index.ts";
import { anthropicTask, type Handlers } from "../../src/loops/anthropic.ts";
import { openaiTask } from "../../src/loops/openai.ts";
import { until } from "./lib/log.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, says } from "./lib/sim.ts";
import { contextOf, expectFork } from "./lib/transcripts.ts";

const server = sharedServer();
const { heddle } = server;
const anthropic = new Anthropic({ baseURL: `${server.url}/simulated/anthropic`, apiKey: "x", maxRetries: 0 });
const openai = new OpenAI({ baseURL: `${server.url}/simulated/openai/v1`, apiKey: "x", maxRetries: 0 });
const isDone = (run: string, key: string) => async () => (await heddle.task(run, key)).timings.ended_at !== null;

const loops = {
  anthropic: async (task: LeasedTask, handlers: Handlers = {}) => {
    const loop = await anthropicTask(heddle, task, { handlers });
    while (!loop.isOver)
      await loop.add(await anthropic.messages.create({ ...loop.request, max_tokens: 500 }, { signal: task.signal }));
    return loop.text;
  },
  openai: async (task: LeasedTask, handlers: Handlers = {}) => {
    const loop = await openaiTask(heddle, task, { handlers });
    while (!loop.isOver) await loop.add(await openai.chat.completions.create(loop.request, { signal: task.signal }));
    return loop.text;
  },
} as const;
const formats = ["anthropic", "openai"] as const;
const unfinished = {
  anthropic: [
    ["max_tokens", "output_truncated"],
    ["model_context_window_exceeded", "context_too_long"],
    ["refusal", "refusal"],
  ],
  openai: [
    ["length", "output_truncated"],
    ["content_filter", "refusal"],
  ],
};

let pools = 0;

/** What the first request of a leased task would be. */
async function requestOf(run: string, pool: string) {
  let request: unknown;
  const worker = serve({
    pool,
    run: async (task) => {
      request = (await openaiTask(heddle, task)).request;
      return "seen";
    },
  });
  await until("it to end", 60_000, isDone(run, "t"));
  worker.stop();
  await worker.ended;
  return request;
}

it("a task's request has the context's system text first, and of a hosted agent's reply what chat completions take", async () => {
  const pool = `loop${process.pid}-${++pools}`;
  const reply = { role: "assistant", content: "Good.", response_items: [{ type: "reasoning" }] };
  const { id: run } = await heddle.createRun({
    context: { format: "openai", model: "simulated", system: "Be brief.", messages: [reply] },
    limits: { pools: [pool] },
  });
  await heddle.createTasks(run, { tasks: [{ key: "t", pool, instructions: "Go on." }] });
  const { messages } = (await requestOf(run, pool)) as { messages: object[] };
  expect(messages.slice(0, 2)).toEqual([
    { role: "system", content: "Be brief." },
    { role: "assistant", content: "Good." },
  ]);
});

it("a reply that Anthropic pauses is in the next request as it is, and is logged with what is then said", async () => {
  const { run, pool } = await runWith("anthropic");
  await heddle.createTasks(run, { tasks: [{ key: "t", pool, instructions: "Look for kettles." }] });
  const usage = { input_tokens: 5, output_tokens: 2, cache_read_input_tokens: 1 } as Anthropic.Usage;
  const search = (id: string) => ({ type: "server_tool_use", id, name: "web_search", input: {} });
  const found = (tool_use_id: string) => ({ type: "web_search_tool_result", tool_use_id, content: [] });
  const text = (words: string) => ({ type: "text", text: words, citations: null });
  const parts = [
    [text("Kettles: "), search("srvtoolu_1")],
    [found("srvtoolu_1"), search("srvtoolu_2")],
    [found("srvtoolu_2"), text("none.")],
  ] as unknown as Anthropic.ContentBlock[][];
  const requests: unknown[] = [];
  await heddle.work({
    pool,
    idleMs: 0,
    run: async (task) => {
      const loop = await anthropicTask(heddle, task);
      const { length } = loop.request.messages;
      for (const content of parts) {
        requests.push(loop.request.messages.slice(length));
        await loop.add({ content, usage, stop_reason: content === parts.at(-1) ? "end_turn" : "pause_turn" });
      }
      expect(loop.isOver).toBe(true);
      return loop.text;
    },
  });
  const said = (...of: unknown[][]) => [{ role: "assistant", content: of.flat() }];
  expect(requests).toEqual([[], said(parts[0]!), said(parts[0]!, parts[1]!)]);
  expect(await heddle.task(run, "t")).toMatchObject({
    state: "succeeded",
    result: "Kettles: none.",
    turns: 1,
    usage: { input_tokens: 18, output_tokens: 6, cache_read_tokens: 3 },
  });
});

it("a worker that hangs up while it waits is given nothing: what comes is for those who still wait", async () => {
  const pool = `loop${process.pid}-${++pools}`;
  const { id: run } = await heddle.createRun({ limits: { pools: [pool] } });
  const hangUp = new AbortController();
  const gone = heddle.lease(pool, { worker: "gone", wait_ms: 20_000 }, { signal: hangUp.signal, retryMs: 0 });
  const isWaiting = (count: number) => async () =>
    ((await server.call("GET", `/v1/pools/${pool}`)).json as { waiting: number }).waiting === count;
  await until("it waits", 10_000, isWaiting(1));
  hangUp.abort();
  await expect(gone).rejects.toThrow();
  await until("nobody waits", 10_000, isWaiting(0));
  const here = heddle.lease(pool, { worker: "here", wait_ms: 20_000 });
  await until("another waits", 10_000, isWaiting(1));
  await heddle.createTasks(run, { tasks: [{ key: "t", pool, instructions: "Do it." }] });
  expect(await here).toMatchObject([{ task: { key: "t", attempt: 1 } }]);
});

async function runWith(format: "anthropic" | "openai") {
  const pool = `loop${process.pid}-${++pools}`;
  const messages = [{ role: "user", content: "We sell kettles." }];
  const { id: run } = await heddle.createRun({
    context: { format, model: "simulated", messages },
    limits: { pools: [pool] },
  });
  return { run, pool };
}

/** A worker, what became of its tasks, and its end. */
function serve(options: Omit<WorkOptions, "signal" | "onEnd">) {
  const [stop, drain] = [new AbortController(), new AbortController()];
  const ends: [key: string | null, end: WorkEnd][] = [];
  const ended = heddle.work({
    ...options,
    signal: stop.signal,
    drain: drain.signal,
    onEnd: ({ lease }, end) => ends.push([lease.task.key, end]),
  });
  return { ends, ended, stop: () => stop.abort(new Error("stopped")), drain: () => drain.abort() };
}

it("a task's reply may create a task and await it, and pop what it pushes behind, though the first is slow to be asked", async () => {
  const { run, pool } = await runWith("anthropic");
  const pop = { tool: "message_queue", arguments: { op: "pop", name: "q" } };
  const push = { tool: "message_queue", arguments: { op: "push", name: "q", messages: ["hello"] } };
  const create = {
    tool: "create_task",
    arguments: { tasks: [{ key: "made", pool, instructions: says("it is made") }] },
  };
  const awaits = { tool: "await_tasks", arguments: { tasks: ["made"] } };
  const instructions = plays([
    { calls: [create, awaits, pop, push] },
    { text: "{{1.1.tasks.0.result}}, {{1.2.messages.0}}" },
  ]);
  await heddle.createTasks(run, { tasks: [{ key: "parent", pool, instructions }] });
  const slow = new Heddle({
    url: server.url,
    key: "hdl_local",
    fetch: async (url, init) => {
      const isFirst = String(url).endsWith("/tools/create_task") || String(init?.body).includes('"op":"pop"');
      if (isFirst) await new Promise((resolve) => setTimeout(resolve, 200));
      return fetch(url, init);
    },
  });
  const drain = new AbortController();
  const ended = slow.work({ pool, drain: drain.signal, run: (task) => loops.anthropic(task) });
  await until("the parent to end", 60_000, isDone(run, "parent"));
  drain.abort();
  await ended;
  expect(await heddle.task(run, "parent")).toMatchObject({ state: "succeeded", result: "it is made, hello" });
});

describe.each(formats)("a loop of format %s", (format) => {
  it("carries out a task and the tasks that it makes and waits for, in one place", async () => {
    const { run, pool } = await runWith(format);
    const instructions = plays([
      {
        text: "Both.",
        calls: [
          { tool: "create_task", arguments: { key: "left", pool, instructions: says("left is done") } },
          { tool: "atomic", arguments: { op: "add", name: "n", delta: 1 } },
          { tool: "create_task", arguments: { key: "right", pool, instructions: says("right is done") } },
          { tool: "constructor", arguments: {} },
        ],
      },
      { calls: [{ tool: "await_tasks", arguments: { tasks: ["left", "right"] } }] },
      { text: "{{2.0.tasks.0.result}}, {{2.0.tasks.1.result}}; {{1.1.value}}; {{1.3}}" },
    ]);
    await heddle.createTasks(run, { tasks: [{ key: "parent", pool, instructions }] });
    const worker = serve({ pool, run: (task) => loops[format](task) });
    await until("the parent to end", 60_000, isDone(run, "parent"));
    worker.drain();
    await worker.ended;
    const parent = await heddle.task(run, "parent");
    expect(parent).toMatchObject({ state: "succeeded", attempts: 1, turns: 3, progress: null });
    expect(parent.result).toMatch(/^left is done, right is done; 1; .*not available/);
    expect(parent.usage.output_tokens).toBeGreaterThan(0);
    expect(worker.ends.map(([key, end]) => [key, end]).sort()).toEqual([
      ["left", "succeeded"],
      ["parent", "succeeded"],
      ["right", "succeeded"],
    ]);
    // The fork that returns twice: each child goes on from the very reply, at its own call.
    const whole = await contextOf(server, run, parent.id);
    const at = whole.messages.findIndex((text) => JSON.parse(text).role === "assistant");
    const reply = whole.messages[at]!;
    const { tool_calls: calls, content } = JSON.parse(reply) as {
      tool_calls?: { id: string }[];
      content: { type: string; id: string }[];
    };
    const ids = (calls ?? content.filter(({ type }) => type === "tool_use")).map(({ id }) => id);
    for (const [key, call] of [
      ["left", ids[0]],
      ["right", ids[2]],
    ] as const) {
      const { tasks } = await heddle.listTasks(run);
      const { id } = tasks.find((task) => task.key === key)!;
      const base = whole.messages.slice(0, at);
      const fork = { base, reply, call: call!, task: id, instructions: says(`${key} is done`) };
      expectFork(await contextOf(server, run, id), fork);
    }
  });

  it.each(unfinished[format])(
    "fails a task whose reply ended by %s: it is no result, and its calls are not made",
    async (reason, code) => {
      const { run, pool } = await runWith(format);
      const call = { tool: "atomic", arguments: { op: "add", name: "n", delta: 1 } };
      await heddle.createTasks(run, {
        tasks: [{ key: "t", pool, instructions: plays([{ text: "Half", calls: [call] }]) }],
      });
      await heddle.work({
        pool,
        idleMs: 0,
        run: async (task) => {
          if (format === "anthropic") {
            const loop = await anthropicTask(heddle, task);
            const reply = await anthropic.messages.create({ ...loop.request, max_tokens: 500 });
            await loop.add({ ...reply, stop_reason: reason as "max_tokens" });
            return loop.text;
          }
          const loop = await openaiTask(heddle, task);
          const reply = await openai.chat.completions.create(loop.request);
          await loop.add({ ...reply, choices: [{ ...reply.choices[0]!, finish_reason: reason as "length" }] });
          return loop.text;
        },
      });
      const task = await heddle.task(run, "t");
      expect(task).toMatchObject({ state: "failed", attempts: 1, turns: 0, result: null, error: { code } });
      expect(task.usage.output_tokens).toBeGreaterThan(0);
      const { result } = (await heddle.callTool(run, "atomic", { arguments: { op: "get", name: "n" } })) as never;
      expect((result as { value: unknown }).value).not.toBe(1);
    },
  );

  it("a task that its model ends by `finish` is over, after the other calls of that reply, and asks no model again", async () => {
    const { run, pool } = await runWith(format);
    const add = { tool: "atomic", arguments: { op: "add", name: "n", delta: 1 } };
    const child = { tool: "create_task", arguments: { key: "child", pool, instructions: says("late") } };
    const badly = { tool: "finish", arguments: {} };
    const finish = (args: Record<string, unknown>) => ({ tool: "finish", arguments: args });
    const tasks = [
      { key: "good", instructions: plays([{ calls: [badly] }, { calls: [finish({ result: { n: 7 } }), add, add] }]) },
      { key: "bad", instructions: plays([{ calls: [finish({ error: { code: "no_kettle", message: "None." } })] }]) },
      { key: "parent", instructions: plays([{ calls: [finish({ result: "left it to a child" }), child] }]) },
    ];
    await heddle.createTasks(run, { tasks: tasks.map((task) => ({ ...task, pool })) });
    const worker = serve({ pool, run: (task) => loops[format](task) });
    await until("all to end", 60_000, async () => worker.ends.length === 4);
    worker.drain();
    await worker.ended;
    expect(worker.ends).toEqual([
      ["good", "succeeded"],
      ["bad", "failed"],
      ["parent", "succeeded"],
      ["child", "succeeded"],
    ]);
    expect(await heddle.task(run, "good")).toMatchObject({
      state: "succeeded",
      attempts: 1,
      turns: 2,
      result: { n: 7 },
    });
    expect(await heddle.task(run, "bad")).toMatchObject({ state: "failed", error: { code: "no_kettle" } });
    expect(await heddle.task(run, "parent")).toMatchObject({ state: "succeeded", result: "left it to a child" });
    const { result } = (await heddle.callTool(run, "atomic", { arguments: { op: "get", name: "n" } })) as never;
    expect((result as { value: unknown }).value).toBe(2);
  });

  it("goes on elsewhere from its last turn when it is stopped, and what it did is not done again", async () => {
    const { run, pool } = await runWith(format);
    const instructions = plays([
      {
        calls: [
          { tool: "atomic", arguments: { op: "add", name: "n", delta: 1 } },
          { tool: "hold", arguments: {} },
        ],
      },
      { text: "{{1.0.value}} {{1.1}}" },
    ]);
    await heddle.createTasks(run, { tasks: [{ key: "t", pool, instructions }] });
    const hangs: Handlers = { hold: () => new Promise(() => {}) };
    const first = serve({
      pool,
      run: (task) =>
        Promise.race([loops[format](task, hangs), new Promise((_, no) => task.signal.addEventListener("abort", no))]),
    });
    await until("the call to have had its effect", 30_000, async () => {
      const { result } = (await heddle.callTool(run, "atomic", { arguments: { op: "get", name: "n" } })) as never;
      return (result as { value: number }).value === 1;
    });
    first.stop();
    await first.ended;
    expect(first.ends).toEqual([["t", "given_back"]]);
    const second = serve({ pool, run: (task) => loops[format](task, { hold: () => "held" }) });
    await until("it to end", 60_000, isDone(run, "t"));
    second.drain();
    await second.ended;
    expect(await heddle.task(run, "t")).toMatchObject({ state: "succeeded", attempts: 2, turns: 2, result: "1 held" });
  });
});

it.concurrent("a task whose lease is lost is left, and nothing of it is delivered", async () => {
  const { run, pool } = await runWith("anthropic");
  await heddle.createTasks(run, { tasks: [{ key: "t", pool, instructions: "x" }] });
  let reason: unknown;
  const worker = serve({
    pool,
    run: async (task) => {
      task.progress({ message: "begun" });
      await new Promise<void>((resolve) => task.signal.addEventListener("abort", () => resolve()));
      reason = task.signal.reason;
      return "too late";
    },
  });
  await until("its progress to show", 30_000, async () => (await heddle.task(run, "t")).progress?.message === "begun");
  await heddle.cancelTask(run, "t");
  await until("it to be told", 30_000, async () => worker.ends.length > 0);
  worker.drain();
  await worker.ended;
  expect(reason).toBeInstanceOf(LeaseLost);
  expect(worker.ends).toEqual([["t", "lost"]]);
  expect(await heddle.task(run, "t")).toMatchObject({ state: "cancelled", result: null });
});

it.concurrent("an error fails the task by its code, and one of a busy provider is tried again; then the worker is idle, and ends", async () => {
  const { run, pool } = await runWith("anthropic");
  const tasks = ["own", "busy", "away", "format"].map((key) => ({
    key,
    pool,
    instructions: key,
    retries: { backoff_ms: 0 },
  }));
  await heddle.createTasks(run, { tasks });
  const ends: string[] = [];
  await heddle.work({
    pool,
    concurrency: 3,
    idleMs: 3000,
    onEnd: ({ lease }, end) => ends.push(`${lease.task.key} ${end}`),
    run: async (task) => {
      if (task.instructions === "own") throw new WorkFailed("no_kettle", "There is none.");
      if (task.instructions === "format") return openaiTask(heddle, task);
      if (task.lease.task.attempt === 1 && task.instructions === "away")
        await new OpenAI({ baseURL: "http://127.0.0.1:9", apiKey: "x", maxRetries: 0 }).models.list();
      if (task.lease.task.attempt === 1) throw Object.assign(new Error("overloaded"), { status: 529 });
      return { attempt: task.lease.task.attempt };
    },
  });
  expect(ends.sort()).toEqual([
    "away failed",
    "away succeeded",
    "busy failed",
    "busy succeeded",
    "format failed",
    "own failed",
  ]);
  expect(await heddle.task(run, "own")).toMatchObject({ state: "failed", error: { code: "no_kettle" } });
  expect(await heddle.task(run, "busy")).toMatchObject({ state: "succeeded", result: { attempt: 2 } });
  expect((await heddle.task(run, "format")).error).toMatchObject({
    code: "loop_failed",
    message: expect.stringContaining("carry it out with heddle/anthropic"),
  });
  await expect(heddle.work({ pool, concurrency: 0, run: () => 1 })).rejects.toThrow("concurrency is 0");
});
