/** Hosted agents: limits, timeouts, retries, schemas, budgets, order. */

import { describe, expect, it } from "vitest";
import type { TaskSpec, TaskView } from "../../src/client/index.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, type SimTurn, says } from "./lib/sim.ts";
import { contextOf } from "./lib/transcripts.ts";

const server = sharedServer();
const { heddle } = server;

/** The run's tasks by key, once none lives. */
async function settled(spec: Parameters<typeof heddle.createRun>[0], ...tasks: TaskSpec[]) {
  const { id } = await heddle.createRun(spec);
  if (tasks.length > 0) await heddle.createTasks(id, { tasks });
  await heddle.waitFor(id, { mode: "settled" });
  const byKey: Record<string, TaskView> = {};
  for (const task of (await heddle.listTasks(id, { limit: 1000 })).tasks) byKey[task.key ?? task.id] = task;
  return { id, byKey, run: await heddle.run(id) };
}

const create = (...tasks: TaskSpec[]): SimTurn => ({ calls: [{ tool: "create_task", arguments: { tasks } }] });
const formats = ["anthropic", "openai"] as const;

describe("limits", () => {
  it("of workers hold: no more tasks run at once, and all are run", async () => {
    const tasks = Array.from({ length: 12 }, (_, i) => ({
      key: `t-${i}`,
      instructions: says(`${i}`, { latency_ms: 80 }),
    }));
    const { id, run } = await settled({ limits: { workers: 3 } }, ...tasks);
    expect(run.counts.succeeded).toBe(12);
    let running = 0;
    let most = 0;
    for (const { type } of await logOf(server, id)) {
      if (type === "task_started") most = Math.max(most, ++running);
      if (type === "task_ended") running--;
    }
    expect(most).toBe(3);
  });

  it("of depth, children and tasks are told to the agent, which goes on", async () => {
    const nested = plays([create({ key: "too-deep", instructions: "x" }), { text: "told: {{1.0.error.code}}" }]);
    const root = plays([
      {
        calls: [
          { tool: "create_task", arguments: { key: "child", instructions: nested } },
          { tool: "create_task", arguments: { tasks: [{ instructions: "1" }, { instructions: "2" }] } },
        ],
      },
      { calls: [{ tool: "await_tasks", arguments: { tasks: ["child"] } }] },
      { text: "{{1.1.error.code}} / {{2.0.tasks.0.result}}" },
    ]);
    const { byKey, run } = await settled({
      limits: { depth: 2, children: 2 },
      root: { key: "root", instructions: root },
    });
    expect(byKey.root!.result).toBe("limit_children / told: limit_depth");
    expect(run.counts).toMatchObject({ succeeded: 2, failed: 0 });

    const few = await settled(
      { limits: { tasks: 2 } },
      {
        key: "a",
        instructions: plays([create({ instructions: "1" }, { instructions: "2" }), { text: "{{1.0.error.code}}" }]),
      },
    );
    expect(few.byKey.a!.result).toBe("limit_tasks");
  });

  it("of pools, priority and labels bind what a task may give its own", async () => {
    const turns = [
      create(
        { key: "low", instructions: says("l"), priority: 9, labels: { team: "b", own: "x" } },
        { key: "elsewhere", instructions: "x", pool: "forbidden" },
      ),
      create({ key: "low", instructions: says("l"), priority: 9, labels: { team: "b", own: "x" } }),
      { calls: [{ tool: "await_tasks", arguments: { tasks: ["low"] } }] },
      { text: "{{1.0.error.code}}" },
    ];
    const { byKey } = await settled(
      {},
      { key: "parent", priority: 3, labels: { team: "a" }, instructions: plays(turns) },
    );
    expect(byKey.parent!.result).toBe("pool_not_allowed");
    expect(byKey.low).toMatchObject({ priority: 3, labels: { team: "a", own: "x" } });
  });
});

describe("order", () => {
  it("is by priority, then by the longest chain of dependents, then first come", async () => {
    const one = (key: string, more: Partial<TaskSpec> = {}): TaskSpec => ({ key, instructions: says(key), ...more });
    const { id } = await heddle.createRun({ limits: { workers: 1 } });
    await heddle.pauseRun(id);
    await heddle.createTasks(id, {
      tasks: [
        one("first"),
        one("low", { priority: 1 }),
        one("chain"),
        one("link", { after: ["chain"] }),
        one("end", { after: ["link"] }),
        one("high", { priority: 8 }),
        // Lends its priority to what it waits for.
        one("urgent", { priority: 9, after: ["needed"] }),
        one("needed", { priority: 0 }),
      ],
    });
    await heddle.resumeRun(id);
    await heddle.waitFor(id, { mode: "all" });
    const keys = new Map((await heddle.listTasks(id)).tasks.map(({ id: task, key }) => [task, key]));
    const started = eventsOf(await logOf(server, id), "task_started").map(({ task }) => keys.get(task!));
    expect(started).toEqual(["needed", "urgent", "high", "chain", "link", "first", "end", "low"]);
  });
});

describe("time", () => {
  it("that a task may take ends it, whether its model is slow or it waits for children", async () => {
    const startedAt = Date.now();
    const { byKey } = await settled(
      {},
      { key: "slow", timeout_ms: 400, instructions: says("x", { latency_ms: 60_000 }) },
      {
        key: "waits",
        timeout_ms: 600,
        instructions: plays([
          create({ key: "child", instructions: says("x", { latency_ms: 60_000 }) }),
          { text: "done" },
        ]),
      },
    );
    expect(Date.now() - startedAt).toBeLessThan(15_000);
    expect(byKey.slow).toMatchObject({ state: "failed", error: { code: "timeout" } });
    expect(byKey.waits).toMatchObject({ state: "failed", error: { code: "timeout" } });
    expect(byKey.child).toMatchObject({ state: "cancelled", error: { code: "parent_ended" } });
  });

  it("that a wait may take is told to the agent", async () => {
    const turns = [
      create({ key: "never", pool: "hosted", instructions: says("x", { latency_ms: 60_000 }) }),
      { calls: [{ tool: "await_tasks", arguments: { tasks: ["never"], timeout_ms: 300 } }] },
      { calls: [{ tool: "cancel_task", arguments: { task: "never" } }] },
      { text: "{{2.0.error.code}}, {{3.0.state}}" },
    ];
    const { byKey } = await settled({}, { key: "a", instructions: plays(turns) });
    expect(byKey.a!.result).toBe("timed_out, cancelled");
  });
});

describe.each(formats)("faults of a provider (%s)", (format) => {
  it("that pass are retried with backoff, no sooner than it says; others fail the task", async () => {
    const fail = (status: number, times: number) => says("well", { fail: { status, times } });
    const retries = { limit: 2, backoff_ms: 20 };
    const { id, byKey } = await settled(
      { context: { format } },
      { key: "limited", instructions: fail(429, 1), retries },
      // Of a model of its own: `retry-after` keeps the others of its model as well.
      { key: "down", model: "simulated-2", instructions: fail(503, 2), retries },
      { key: "overloaded", instructions: fail(529, 1), retries },
      { key: "gone", instructions: fail(500, 3), retries },
      { key: "refused", instructions: fail(400, 1), retries },
      { key: "no-retry", instructions: fail(503, 1), retries: { limit: 0 } },
    );
    const events = await logOf(server, id);
    for (const [key, attempts] of [
      ["limited", 2],
      ["down", 3],
      ["overloaded", 2],
    ] as const) {
      expect(byKey[key]).toMatchObject({ state: "succeeded", result: "well", attempts, turns: 1 });
    }
    expect(byKey.gone).toMatchObject({ state: "failed", error: { code: "provider_unavailable" }, attempts: 3 });
    expect(byKey.refused).toMatchObject({ state: "failed", error: { code: "provider_rejected" }, attempts: 1 });
    expect(byKey["no-retry"]).toMatchObject({ state: "failed", attempts: 1 });
    // `retry-after: 1` counts, whatever the backoff.
    const [first, second] = eventsOf(events, "task_started", byKey.limited!.id);
    expect(second!.at - first!.at).toBeGreaterThanOrEqual(1000);
    const waits = eventsOf(events, "attempt_ended", byKey.down!.id).map(({ at, until: next }) => Number(next) - at);
    expect(waits).toHaveLength(2);
    for (const ms of waits) expect(ms).toBeLessThan(1000);
  });
});

describe.each(formats)("an output schema (%s)", (format) => {
  const output_schema = {
    type: "object",
    properties: { n: { type: "integer" } },
    required: ["n"],
    additionalProperties: false,
  };
  const finish = (result: unknown): SimTurn => ({ calls: [{ tool: "finish", arguments: { result } }] });

  it("is kept: the model is shown what is wrong, twice at most", async () => {
    const task = (key: string, ...turns: SimTurn[]): TaskSpec => ({ key, output_schema, instructions: plays(turns) });
    const { id, byKey } = await settled(
      { context: { format } },
      task("right", { text: '{"n": 1}' }),
      task("fenced", { text: '```json\n{"n": 2}\n```' }),
      task("by-finish", finish({ n: 3 })),
      task("repaired", { text: "four" }, { text: '{"n": "four"}' }, { text: '{"n": 4}' }),
      task("finish-repaired", finish({ m: 5 }), finish({ n: 5 })),
      task("hopeless", { text: "no" }, { text: "no" }, { text: "no" }, { text: '{"n": 6}' }),
      { key: "picks", instructions: `sum {{repaired.n}} and {{by-finish.n}}\n${says("picked")}` },
    );
    const results = ["right", "fenced", "by-finish", "repaired", "finish-repaired"].map((key) => byKey[key]!.result);
    expect(results).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5 }]);
    expect(byKey.repaired!.turns).toBe(3);
    expect(byKey.hopeless).toMatchObject({ state: "failed", error: { code: "output_invalid" }, turns: 3 });
    const picks = await contextOf(server, id, byKey.picks!.id);
    expect(picks.text).toContain('<result of=\\"repaired.n\\">4</result>');
    for (const { id: task } of Object.values(byKey)) await contextOf(server, id, task);
  });
});

describe("turns and tokens", () => {
  it("of a task are bounded by max_turns and max_tokens, its descendants' included", async () => {
    const inspect: SimTurn = { calls: [{ tool: "inspect", arguments: {} }] };
    const spend = (output: number): SimTurn => ({ text: "spent", usage: { input: 100, output } });
    const { byKey } = await settled(
      {},
      { key: "turns", max_turns: 3, instructions: plays([inspect, inspect, inspect, { text: "a fourth" }]) },
      { key: "enough", max_turns: 3, instructions: plays([inspect, inspect, { text: "third" }]) },
      {
        key: "tokens",
        max_tokens: 13_000,
        instructions: plays([
          { ...inspect, usage: { input: 6000, output: 100 } },
          { ...inspect, usage: { input: 6000, output: 100 } },
          { text: "never" },
        ]),
      },
      {
        key: "family",
        max_tokens: 40_000,
        instructions: plays([
          create({ key: "spender", instructions: plays([{ ...spend(500), usage: { input: 39_000, output: 500 } }]) }),
          { calls: [{ tool: "await_tasks", arguments: { tasks: ["spender"] } }] },
          { text: "never" },
        ]),
      },
    );
    expect(byKey.turns).toMatchObject({ state: "failed", error: { code: "max_turns" }, turns: 3 });
    expect(byKey.enough).toMatchObject({ state: "succeeded", result: "third" });
    expect(byKey.tokens).toMatchObject({ state: "failed", error: { code: "max_tokens" }, turns: 2 });
    expect(byKey.spender).toMatchObject({ state: "succeeded" });
    expect(byKey.family).toMatchObject({ state: "failed", error: { code: "max_tokens" } });
  });

  it("of a run are a budget: it pauses when they are used up, fails nothing, and goes on when there are more", async () => {
    const { id } = await heddle.createRun({ limits: { tokens: 20_000, workers: 2 } });
    await heddle.createTasks(id, {
      tasks: Array.from({ length: 6 }, (_, i) => ({
        key: `t-${i}`,
        instructions: plays([{ text: `${i}`, usage: { input: 3000, output: 500 } }]),
      })),
    });
    const paused = await until("it pauses", 20_000, async () => {
      const view = await heddle.run(id);
      return view.status === "paused" && view;
    });
    expect(paused).toMatchObject({ reason: "budget", counts: { failed: 0 } });
    expect(paused.usage.tokens).toBeLessThanOrEqual(20_000);
    expect(paused.counts.succeeded).toBeGreaterThan(0);
    expect((await heddle.callTool(id, "inspect")) as object).toMatchObject({ result: { status: "paused" } });
    const low = await server.call("POST", `/v1/runs/${id}/budget`, { tokens: paused.usage.tokens - 1 });
    expect([low.status, low.json.code]).toEqual([422, "below_spent"]);
    expect((await heddle.run(id)).status).toBe("paused");
    expect((await heddle.setBudget(id, { tokens: 100_000 })).status).toBe("active");
    await heddle.waitFor(id, { mode: "all" });
    const run = await heddle.run(id);
    expect(run).toMatchObject({ counts: { succeeded: 6 }, usage: { tokens: 6 * 3500 } });
  });
});

describe("a family of tasks", () => {
  it("ends together: a parent that is done waits for its children, and hears what failed unseen", async () => {
    const sad = plays([{ calls: [{ tool: "finish", arguments: { error: "no luck" } }] }]);
    const { id } = await heddle.createRun({ limits: { pools: ["slow", "hosted"] } });
    await heddle.createTasks(id, {
      tasks: [
        {
          key: "parent",
          instructions: plays([
            create({ key: "slow", pool: "slow", instructions: "s" }, { key: "sad", pool: "hosted", instructions: sad }),
            { text: "my own work is done" },
          ]),
        },
      ],
    });
    const parked = await until("it waits", 10_000, async () => {
      const task = await heddle.task(id, "parent");
      return task.waiting_on !== null && "children" in task.waiting_on && task;
    });
    expect(parked).toMatchObject({ state: "parked", result: "my own work is done" });
    const [slow] = await heddle.lease("slow", { worker: "w", wait_ms: 20_000 });
    await heddle.complete(slow!.id, { result: "s" });
    await heddle.waitFor(id, { mode: "settled" });
    expect(await heddle.task(id, "parent")).toMatchObject({ state: "succeeded", children_failed: 1 });
    expect((await heddle.finishRun(id)).status).toBe("failed");
  });

  it("is forked by pull workers as well, whose blocked call is a long poll", async () => {
    const { id } = await heddle.createRun({ limits: { pools: ["hosted"] } });
    await heddle.createTasks(id, { tasks: [{ key: "mine", pool: "mine", instructions: "x" }] });
    const [lease] = await heddle.lease("mine", { worker: "w", wait_ms: 10_000 });
    const helps = plays([{ calls: [{ tool: "future", arguments: { op: "await", name: "go" } }] }, { text: "helped" }]);
    const make = { key: "helper", pool: "hosted", instructions: helps };
    expect(await heddle.callLeaseTool(lease!.id, "create_task", { call_id: "c1", arguments: make })).toMatchObject({
      result: { tasks: [{ key: "helper" }] },
    });
    const wait = { call_id: "c2", arguments: { tasks: ["helper"] } };
    expect(await heddle.callLeaseTool(lease!.id, "await_tasks", { ...wait, wait_ms: 0 })).toMatchObject({
      pending: true,
    });
    expect(await heddle.task(id, "mine")).toMatchObject({ state: "running", waiting_on: { mode: "all" } });
    await heddle.callTool(id, "future", { arguments: { op: "resolve", name: "go", value: 1 } });
    expect(await heddle.callLeaseTool(lease!.id, "await_tasks", { ...wait, wait_ms: 20_000 })).toMatchObject({
      result: { tasks: [{ state: "succeeded", result: "helped" }] },
    });
    expect(
      await heddle.callLeaseTool(lease!.id, "await_tasks", { call_id: "c3", arguments: { tasks: ["mine"] } }),
    ).toMatchObject({
      error: { code: "would_deadlock" },
    });
    await heddle.complete(lease!.id, { result: { ok: true } });
    expect((await heddle.finishRun(id)).status).toBe("succeeded");
  });

  it("pays for a shared prefix once: its forks read the prompt cache", async () => {
    const root = plays([
      create(
        ...Array.from({ length: 4 }, (_, i) => ({ key: `t-${i}`, instructions: says(`${i}`, { latency_ms: 50 }) })),
      ),
      { text: "done" },
    ]);
    for (const format of formats) {
      const { byKey } = await settled({
        context: { format, messages: [{ role: "user", content: "a long shared context. ".repeat(2000) }] },
        root: { key: "root", instructions: root },
      });
      for (let i = 0; i < 4; i++) {
        const { usage } = byKey[`t-${i}`]!;
        expect(usage.cache_read_tokens / usage.input_tokens).toBeGreaterThan(0.9);
      }
    }
  });
});
