/** Costs in money, budgets in dollars, warm one then release, fork auto: on real servers with simulated caches. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunView, TaskSpec, TaskView } from "../../src/client/index.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import { LocalServer } from "./lib/server.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, type SimTurn, says } from "./lib/sim.ts";

const server = sharedServer();
const { heddle } = server;

let unique = 0;
/** A context of some 50,000 tokens, or `times` as many, that no other test has, so that no cache knows it. */
const large = (more: object = {}, times = 1) => ({
  format: "anthropic" as const,
  messages: [
    { role: "user", content: `${Date.now()} ${unique++} ${"The office is in Oslo. ".repeat(9000 * times)}` },
    { role: "assistant", content: "I have read it." },
  ],
  ...more,
});
const many = (count: number, turn: SimTurn = { text: "done", latency_ms: 300 }): TaskSpec[] =>
  Array.from({ length: count }, (_, i) => ({ key: `t-${i}`, instructions: plays([turn], `Number ${i}.`) }));

async function tasksOf(on: LocalServer, run: string): Promise<TaskView[]> {
  return (await on.heddle.listTasks(run, { limit: 1000 })).tasks;
}
const writers = (tasks: readonly TaskView[]) => tasks.filter(({ usage }) => usage.cache_write_tokens > 40_000);
const whys = async (on: LocalServer, run: string) =>
  eventsOf(await logOf(on, run), "cache_released").map(({ why }) => why);

async function settledRun(run: string): Promise<RunView> {
  await heddle.waitFor(run, { mode: "settled" });
  return heddle.run(run);
}

describe.each(["anthropic", "openai"] as const)("64 siblings on a large context (%s)", (format) => {
  it("pay for one cache write: one reads first, the others when its first token has come", async () => {
    const run = await heddle.createRun({ context: large({ format }), limits: { workers: 64 } });
    const { projection } = await heddle.createTasks(run.id, { tasks: many(64) });
    const { counts, cache, cost, usage } = await settledRun(run.id);
    expect(counts.succeeded).toBe(64);
    const tasks = await tasksOf(server, run.id);
    expect(writers(tasks)).toHaveLength(1);
    expect(await whys(server, run.id)).toEqual(["first_token"]);
    expect(eventsOf(await logOf(server, run.id), "cache_warming")).toHaveLength(1);
    expect(cache.hit_ratio).toBeGreaterThan(0.95);
    expect(cache.lineages).toMatchObject([{ snapshot: run.snapshot, model: "simulated", warming: false }]);
    expect(cache.lineages[0]!.read).toBe(cache.read);
    // What was said before a token was spent: 500 tokens of output each, where the simulated ones have a word.
    expect(projection).toMatchObject({ simulated: true, output_tokens: 64 * 500 });
    const withoutOutput = (sum: number, output: number) => sum - (output * 5) / 1e6;
    const projected = withoutOutput(projection.cost!, projection.output_tokens);
    expect(withoutOutput(cost!, usage.output_tokens) / projected).toBeCloseTo(1, 1);
    expect(usage).toMatchObject({ simulated: true, cost_usd: cost });
    const sum = tasks.reduce((all, task) => all + task.usage.cost_usd!, 0);
    expect(sum).toBeCloseTo(cost!, 9);
  });
});

describe("warming", () => {
  it("is seen while it lasts, ends at its bound, and warm_ms 0 switches it off", async () => {
    const slow: TaskSpec = { key: "slow", priority: 9, instructions: says("late", { latency_ms: 60_000 }) };
    const run = await heddle.createRun({ context: large(), limits: { warm_ms: 2000 } });
    await heddle.createTasks(run.id, { tasks: [slow, ...many(3)] });
    const held = await until("a held task", 10_000, async () => {
      const task = await heddle.task(run.id, "t-0");
      return task.waiting_on && "cache_warming" in task.waiting_on ? task : undefined;
    });
    const { id } = await heddle.task(run.id, "slow");
    expect(held).toMatchObject({ state: "ready", waiting_on: { cache_warming: id } });
    expect((await heddle.run(run.id)).cache.lineages[0]).toMatchObject({ warming: true, warm_until: null });
    await heddle.waitFor(run.id, { tasks: ["t-0", "t-1", "t-2"], mode: "all" });
    expect((await heddle.task(run.id, "slow")).state).toBe("running");
    expect(await whys(server, run.id)).toEqual(["bound"]);
    await heddle.cancelRun(run.id);

    const off = await heddle.createRun({ context: large(), limits: { workers: 8, warm_ms: 0 } });
    await heddle.createTasks(off.id, { tasks: many(8, { text: "done", latency_ms: 4000 }) });
    await settledRun(off.id);
    expect(eventsOf(await logOf(server, off.id), "cache_warming")).toEqual([]);
    expect(writers(await tasksOf(server, off.id)).length).toBeGreaterThan(1);
  });

  it("goes on with another task when the first one fails or is cancelled", async () => {
    const first = (instructions: string): TaskSpec => ({ key: "first", priority: 9, instructions });
    const failing = plays([{ fail: { status: 400, times: 9 }, text: "never" }]);
    const run = await heddle.createRun({ context: large(), limits: { workers: 16 } });
    await heddle.createTasks(run.id, { tasks: [first(failing), ...many(15)] });
    const { counts } = await settledRun(run.id);
    expect(counts).toMatchObject({ failed: 1, succeeded: 15 });
    expect(await whys(server, run.id)).toEqual(["gone", "first_token"]);
    expect(writers(await tasksOf(server, run.id))).toHaveLength(1);

    const other = await heddle.createRun({ context: large(), limits: { workers: 16 } });
    const silent = says("never", { latency_ms: 120_000 });
    await heddle.createTasks(other.id, { tasks: [first(silent), ...many(15)] });
    await until("it reads", 10_000, async () => (await heddle.run(other.id)).cache.lineages[0]?.warming);
    await heddle.cancelTask(other.id, "first");
    expect((await settledRun(other.id)).counts).toMatchObject({ cancelled: 1, succeeded: 15 });
    expect(await whys(server, other.id)).toEqual(["gone", "first_token"]);
    expect(writers(await tasksOf(server, other.id))).toHaveLength(1);
  });

  it("holds nobody of pull workers' pools, nor children of a hosted task, whose own request has cached the context", async () => {
    const run = await heddle.createRun({ context: large(), limits: { pools: ["box"] } });
    await heddle.createTasks(run.id, { tasks: many(4).map((task) => ({ ...task, pool: "box" })) });
    const leases = await heddle.lease("box", { worker: "w", max: 4, wait_ms: 10_000 });
    expect(leases).toHaveLength(4);
    await heddle.cancelRun(run.id);

    const children = many(6).map(({ key, instructions }) => ({ key: `c-${key}`, instructions }));
    const root = plays([
      { calls: [{ tool: "create_task", arguments: { tasks: children } }] },
      { text: "cached {{1.0.projection.cached_tokens}}" },
    ]);
    const tree = await heddle.createRun({ context: large(), root: { key: "root", instructions: root } });
    expect((await settledRun(tree.id)).counts.succeeded).toBe(7);
    expect(eventsOf(await logOf(server, tree.id), "cache_warming")).toEqual([]);
    expect(writers(await tasksOf(server, tree.id)).map(({ key }) => key)).toEqual(["root"]);
    const { result } = await heddle.task(tree.id, "root");
    expect(Number((result as string).replace("cached ", ""))).toBeGreaterThan(6 * 50_000);
  });
});

describe.concurrent("a budget in dollars", () => {
  it("pauses the run when a call could pass it, and goes on when it is raised", async () => {
    const run = await heddle.createRun({ limits: { usd: 0.02, workers: 1 } });
    expect(run.limits).toMatchObject({ usd: 0.02, tokens: null });
    // 5,000 written to the cache and 100 of output for each; what is reserved is more than twice that.
    const turn = { text: "done", usage: { input: 5000, output: 100 } };
    await heddle.createTasks(run.id, { tasks: many(5, turn) });
    const paused = await until("a pause", 30_000, async () => {
      const view = await heddle.run(run.id);
      return view.status === "paused" ? view : undefined;
    });
    expect(paused).toMatchObject({ reason: "budget", counts: { failed: 0 } });
    expect(paused.cost).toBeGreaterThan(0);
    expect(paused.cost).toBeLessThanOrEqual(0.02);
    const below = await heddle.setBudget(run.id, { usd: 0.001 }).catch((error) => error);
    expect(below).toMatchObject({ code: "below_spent", status: 422 });
    await heddle.setBudget(run.id, { usd: 1 });
    const done = await settledRun(run.id);
    expect(done).toMatchObject({ counts: { succeeded: 5 }, limits: { usd: 1 } });
    const costs = (await tasksOf(server, run.id)).map(({ usage: used }) => {
      const { input_tokens: all, output_tokens: out, cache_read_tokens: read, cache_write_tokens: write } = used;
      return (all - read - write + 0.1 * read + 1.25 * write + 5 * out) / 1_000_000;
    });
    expect(costs.every((cost) => cost > 0.002)).toBe(true);
    expect(done.cost).toBeCloseTo(
      costs.reduce((sum, cost) => sum + cost, 0),
      6,
    );
  });
});

describe.concurrent("fork auto", () => {
  it("says which it took and why, in the reply and with the task", async () => {
    const run = await heddle.createRun({ context: large({ model: "claude-opus-4-1" }) });
    const auto = { fork: "auto" as const };
    const { notes, projection } = await heddle.createTasks(run.id, {
      tasks: [
        { key: "bare", instructions: says("x"), ...auto },
        { key: "own", instructions: says("x"), context: "All that you need: 42.", ...auto },
        { key: "full", instructions: says("x") },
      ],
    });
    expect(notes).toEqual([
      expect.stringMatching(
        /^fork "auto" took full: the context has about .* no turn of it can be left out \("bare"\)\.$/,
      ),
      expect.stringMatching(/^fork "auto" took none: .* brings a context of its own \("own"\)\.$/),
    ]);
    expect(projection.cost).toBeGreaterThan(0.9);
    await settledRun(run.id);
    const [bare, own, full] = await tasksOf(server, run.id);
    expect(bare!.fork).toMatchObject({ mode: "full", reason: expect.stringContaining("tokens") });
    expect(own!.fork).toMatchObject({ mode: "none", reason: expect.stringContaining("context of its own") });
    expect(full!.fork).toEqual({ mode: "full", snapshot: run.snapshot });
    expect(own!.usage.input_tokens).toBeLessThan(bare!.usage.input_tokens / 4);
  });
});

describe.concurrent("a server with prices of its own", () => {
  let own: LocalServer;
  beforeAll(async () => {
    // The simulated model of another server stands for a real provider, whose models may or may not have a price.
    const prices = { "house-model": { input: 2, output: 10 } };
    own = await LocalServer.start({
      OPENAI_BASE_URL: `${server.url}/simulated/openai/v1`,
      HEDDLE_PRICES: JSON.stringify(prices),
    });
  });
  afterAll(() => own?.stop());

  const context = (model: string) => ({ format: "openai" as const, model, messages: [] });
  const spec: TaskSpec = { key: "t", instructions: plays([{ text: "x", usage: { input: 1000, output: 100 } }]) };

  it("counts its models at them, and those without a price as unknown", async () => {
    const known = await own.heddle.createRun({ context: context("house-model-2026-11-01") });
    await own.heddle.createTasks(known.id, { tasks: [spec] });
    await own.heddle.waitFor(known.id, { mode: "all" });
    expect(await own.heddle.run(known.id)).toMatchObject({
      cost: 0.003,
      usage: { cost_usd: 0.003, simulated: false },
      unpriced_models: [],
    });

    const unknown = await own.heddle.createRun({ context: context("who-knows") });
    const { notes, projection } = await own.heddle.createTasks(unknown.id, { tasks: [spec] });
    expect(projection.cost).toBeNull();
    expect(notes).toEqual([expect.stringContaining('what "who-knows" costs')]);
    await own.heddle.waitFor(unknown.id, { mode: "all" });
    expect(await own.heddle.run(unknown.id)).toMatchObject({ cost: null, unpriced_models: ["who-knows"] });
    expect((await own.heddle.task(unknown.id, "t")).usage.cost_usd).toBeNull();
    const budget = await own.heddle.setBudget(unknown.id, { usd: 1 }).catch((error) => error);
    expect(budget).toMatchObject({ code: "no_price", status: 422 });
  });

  it("refuses them under a budget in dollars, where they are created", async () => {
    const run = await own.heddle.createRun({ context: context("who-knows"), limits: { usd: 1 } });
    const refused = await own.heddle.createTasks(run.id, { tasks: [spec] }).catch((error) => error);
    expect(refused).toMatchObject({ code: "no_price", status: 422 });
    expect((await own.heddle.run(run.id)).counts).toMatchObject({ ready: 0, running: 0, succeeded: 0 });
    await own.heddle.createTasks(run.id, { tasks: [{ ...spec, model: "house-model" }] });
    await own.heddle.waitFor(run.id, { mode: "all" });
    expect((await own.heddle.run(run.id)).cost).toBe(0.003);
    const root = { context: context("who-knows"), limits: { usd: 1 }, root: spec };
    expect(await own.heddle.createRun(root).catch((error) => error)).toMatchObject({ code: "no_price" });
  });

  it("does not start on a list that can't be read", async () => {
    const error = await LocalServer.start({ HEDDLE_PRICES: '{"m": {"input": "1"}}' }).catch((caught) => caught);
    expect(String(error)).toContain("HEDDLE_PRICES can't be read: m.input: expected number");
  });
});

describe.concurrent("a server that is killed while one task reads for the others", () => {
  it("lets another one read, and everybody is served", async () => {
    const mortal = await LocalServer.start();
    try {
      // Others are held for 32 s, by its size: a server that comes back later on a busy machine finds the hold over, as it should be then.
      const run = await mortal.heddle.createRun({ context: large({}, 3), limits: { workers: 16, warm_ms: 60_000 } });
      await mortal.heddle.createTasks(run.id, { tasks: many(16, { text: "done", latency_ms: 1500 }) });
      await until("it reads", 10_000, async () => (await mortal.heddle.run(run.id)).cache.lineages[0]?.warming);
      await mortal.kill();
      await mortal.start();
      await mortal.heddle.waitFor(run.id, { mode: "all" });
      expect((await mortal.heddle.run(run.id)).counts.succeeded).toBe(16);
      expect(writers(await tasksOf(mortal, run.id))).toHaveLength(1);
      expect((await whys(mortal, run.id)).slice(0, 2)).toEqual(["gone", "first_token"]);
    } finally {
      await mortal.stop();
    }
  });
});
