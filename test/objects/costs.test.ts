/** Holds and costs through the objects: what a seat is told, what outlives memory, what the alarm ends. */

import { describe, expect, it } from "vitest";
import type { Usage } from "../../src/context/types.ts";
import type { SeatWork } from "../../src/objects/seat-rpc.ts";
import { holdMs } from "../../src/scheduler/warming.ts";
import { codeOf, makeRun, TestClock, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();

const text = "Our office is in Oslo. ".repeat(4000);
const context = {
  format: "anthropic" as const,
  tools: "[]",
  messages: [JSON.stringify({ role: "user", content: text }), '{"role":"assistant","content":"Noted."}'],
};
const three = [{ instructions: "1" }, { instructions: "2" }, { instructions: "3" }];
const open = (run: Awaited<ReturnType<typeof makeRun>>, nonce: string) =>
  run.rpc.openSeat(run.ticket(nonce), nextTask(nonce));
const usage = (more: Partial<Usage>): Usage => ({
  input_tokens: 0,
  output_tokens: 0,
  cache_read_tokens: 0,
  cache_write_tokens: 0,
  ...more,
});

describe("a held task", () => {
  it("is started for a seat that waits, when the first reader tells of its first token", async () => {
    const run = await makeRun({ context });
    const ids = await run.create(...three);
    const first = (await open(run, "a"))!;
    expect(first).toMatchObject({ taskId: ids[0], warms: true });
    const waiting = open(run, "b");
    expect((await run.task(ids[1]!)).waiting_on).toMatchObject({ cache_warming: ids[0] });
    await run.rpc.firstToken(first);
    expect(await waiting).toMatchObject({ taskId: ids[1], warms: false });
    expect(await open(run, "c")).toMatchObject({ taskId: ids[2] });
    // Said twice, or late, it changes nothing.
    await run.rpc.firstToken(first);
    await run.rpc.firstToken({ taskNumber: 99, fence: 1 });
    expect((await run.events()).filter(({ type }) => type === "cache_released")).toHaveLength(1);
  });

  it("is held still when the object has lost its memory, and let go by the alarm at the bound", async () => {
    using clock = new TestClock();
    const run = await makeRun({ context });
    const ids = await run.create(...three);
    await open(run, "a");
    await run.evict();
    const { cache } = await run.view();
    const { tokens } = cache.lineages[0]!;
    const until = clock.now + holdMs(tokens, 30_000);
    expect((await run.task(ids[2]!)).waiting_on).toEqual({ cache_warming: ids[0], until });
    clock.forward(holdMs(tokens, 30_000) - 1);
    await run.ring();
    expect((await run.task(ids[2]!)).waiting_on).not.toBeNull();
    clock.forward(1);
    expect(await run.ring()).toBe(true);
    expect((await run.task(ids[2]!)).waiting_on).toBeNull();
    expect((await run.events()).at(-1)).toMatchObject({ type: "cache_released", why: "bound" });
  });
});

describe("what a batch will cost", () => {
  it("is one write of a shared prefix, reads of it, each task's own end, and the output that it says", async () => {
    const run = await makeRun({ context });
    const { projection } = value(await run.rpc.createTasks({ tasks: three }));
    const prefix = projection.input_tokens / 3 - 1;
    expect(projection).toMatchObject({
      cached_tokens: 2 * prefix,
      cache_write_tokens: prefix + 3,
      output_tokens: 1500,
      simulated: true,
      budget_left_usd: null,
    });
    const dollars = ((prefix + 3) * 1.25 + 2 * prefix * 0.1 + 1500 * 5) / 1e6;
    expect(projection.cost).toBeCloseTo(dollars, 8);
  });

  it("shares nothing where the vendor caches nothing: short prefixes, and Anthropic's without messages", async () => {
    const short = await makeRun({ context: { ...context, messages: ['{"role":"user","content":"hi"}'] } });
    const small = value(await short.rpc.createTasks({ tasks: three })).projection;
    expect([small.cached_tokens, small.cache_write_tokens]).toEqual([0, 0]);
    const bare = await makeRun({ context: { ...context, system: JSON.stringify(text), messages: [] } });
    const none = value(await bare.rpc.createTasks({ tasks: three })).projection;
    expect([none.cached_tokens, none.cache_write_tokens]).toEqual([0, none.input_tokens]);
    const automatic = await makeRun({
      context: { ...context, format: "openai", system: JSON.stringify(text), messages: [] },
    });
    expect(value(await automatic.rpc.createTasks({ tasks: three })).projection.cached_tokens).toBeGreaterThan(0);
  });

  it("is nothing that Heddle knows for tasks of pull workers", async () => {
    const run = await makeRun({ context });
    const pulled = three.map((task) => ({ ...task, pool: "box" }));
    const { projection, notes } = value(await run.rpc.createTasks({ tasks: pulled }));
    expect([projection.cost, projection.output_tokens, notes]).toEqual([null, 0, undefined]);
  });
});

describe("what was used", () => {
  it("costs what the price list says of its model, and is unknown where nobody named one", async () => {
    const run = await makeRun({ context: { ...context, model: "claude-sonnet-4-5" } });
    const [hosted, pulled] = await run.create({ instructions: "1" }, { instructions: "2", pool: "box" });
    const work = (await open(run, "a")) as SeatWork;
    const tokens = usage({
      input_tokens: 13_000,
      output_tokens: 100,
      cache_read_tokens: 10_000,
      cache_write_tokens: 2000,
    });
    const reply = '{"role":"assistant","content":"done"}';
    const turn = { messages: [...work.fork, reply], usage: tokens, calls: [] };
    await run.rpc.seatTurn(work, { ...turn, model: { model: "claude-sonnet-4-5" } }, undefined);
    expect((await run.task(hosted!)).usage).toMatchObject({ cost_usd: 0.015, simulated: false });
    const lease = (await run.lease())!;
    value(await run.rpc.complete(lease, { result: 1, usage: { input_tokens: 1000 }, next: false, worker: "w" }));
    expect((await run.task(pulled!)).usage.cost_usd).toBe(0.003);
    const view = await run.view();
    expect(view).toMatchObject({ cost: 0.018, unpriced_models: [] });
    expect(view.cache).toMatchObject({ read: 10_000, write: 2000, uncached: 2000, hit_ratio: 0.7143 });

    // An older seat says no model.
    await run.rpc.seatTurn(work, { ...turn, messages: ['{"role":"user","content":"x"}', reply] }, undefined);
    expect((await run.view()).usage.cost_usd).toBeNull();
    expect(codeOf(await run.rpc.budget({ usd: 5 }))).toBe("no_price");
    await run.evict();
    expect((await run.view()).cost).toBeNull();
  });
});
