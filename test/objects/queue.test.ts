/** The way of a deployment: seats are opened by queue messages, which come twice, late, or for runs that are gone. */

import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { lateShardStep, seatShards } from "../../src/limits.ts";
import worker from "../../src/local/index.ts";
import type { SeatTicket } from "../../src/objects/seat-rpc.ts";
import { eventually } from "./lib/eventually.ts";
import { bindings, makeRun, newTenant, TestClock, TestRun, value } from "./lib/runs.ts";

const sim = (turns: unknown[]) => `do\n\`\`\`sim\n${JSON.stringify({ turns })}\n\`\`\``;

/** Tickets that come are taken off the queues, and no seat is opened, until `spy` is restored. */
function lost() {
  const tickets: SeatTicket[] = [];
  const spy = vi.spyOn(worker, "queue").mockImplementation(async (batch) => {
    for (const { body } of batch.messages) tickets.push(body as SeatTicket);
    batch.ackAll();
  });
  return { tickets, spy };
}

describe("the queues", () => {
  it("deliver seats that run a hosted tree of tasks to its end, in both formats", async () => {
    const root = {
      instructions: sim([
        {
          calls: [
            { tool: "create_task", arguments: { key: "a", instructions: sim([{ text: "a", latency_ms: 30 }]) } },
            { tool: "create_task", arguments: { key: "b", instructions: sim([{ text: "b" }]), after: ["a"] } },
          ],
        },
        { calls: [{ tool: "await_tasks", arguments: { tasks: ["a", "b"] } }] },
        { text: "{{2.0.tasks.0.result}}{{2.0.tasks.1.result}}" },
      ]),
    };
    for (const format of ["anthropic", "openai"] as const) {
      const run = await makeRun({ context: { format, messages: [] }, root });
      await eventually(async () => expect((await run.view()).status).toBe("succeeded"));
      expect((await run.tasks())[0]).toMatchObject({ result: "ab", state: "succeeded" });
      expect((await run.tasks()).map(({ state }) => state)).toEqual(["succeeded", "succeeded", "succeeded"]);
    }
  });

  it("spread a run's seats over several of them", async () => {
    // However long it takes, no ticket is late meanwhile, and sent through another one.
    using _still = new TestClock();
    const run = await makeRun({ limits: { workers: 24 } });
    const seen = new Set<string>();
    const queue = worker.queue.bind(worker);
    const spy = vi.spyOn(worker, "queue").mockImplementation(async (batch, ...rest) => {
      if (batch.messages.some(({ body }) => (body as SeatTicket).run === run.id)) seen.add(batch.queue);
      await queue(batch, ...rest);
    });
    await run.create(
      ...Array.from({ length: 24 }, (_, i) => ({ instructions: sim([{ text: `${i}`, latency_ms: 100 }]) })),
    );
    await eventually(async () => expect((await run.view()).counts.succeeded).toBe(24));
    // A batch may come when the others have done all the work: its seats then close at once.
    await eventually(() => expect(seen.size).toBe(4));
    spy.mockRestore();
    for (const { attempts } of await run.tasks()) expect(attempts).toBe(1);
  });

  it("open one seat by a message that comes twice, and ack it both times", async () => {
    using _still = new TestClock();
    const { tickets, spy } = lost();
    const run = await makeRun();
    await run.create({ key: "a", instructions: sim([{ text: "once", latency_ms: 200 }]) });
    await eventually(() => expect(tickets.filter((ticket) => ticket.run === run.id)).toHaveLength(1));
    spy.mockRestore();
    const body = run.ticket("the-same");
    const gone = new TestRun(newTenant(), "run_33333333333333333333").ticket("gone");
    const message = (id: string, ticket: SeatTicket) => ({ id, timestamp: new Date(), attempts: 1, body: ticket });
    const batch = createMessageBatch<SeatTicket>("heddle-seats-0", [
      message("m1", body),
      message("m2", body),
      message("m3", gone),
    ]);
    const ctx = createExecutionContext();
    await worker.queue(batch, bindings);
    expect((await getQueueResult(batch, ctx)).explicitAcks.sort()).toEqual(["m1", "m2", "m3"]);
    expect(await run.task("a")).toMatchObject({ state: "succeeded", result: "once", attempts: 1 });
    const again = createMessageBatch<SeatTicket>("heddle-seats-1", [message("m4", body)]);
    await worker.queue(again, bindings);
    expect((await run.view()).counts).toMatchObject({ succeeded: 1, running: 0 });
  });

  it("lose a seat: it is sent again under a new name, on another queue", async () => {
    const { tickets, spy } = lost();
    const run = await makeRun();
    await run.create({ key: "a", instructions: sim([{ text: "late" }]) });
    const sent = () => tickets.filter((ticket) => ticket.run === run.id);
    // Nobody serves it; some three seconds later the alarm sends another.
    await eventually(() => expect(sent().length).toBeGreaterThan(1));
    spy.mockRestore();
    expect(new Set(tickets.map(({ nonce }) => nonce)).size).toBe(tickets.length);
    const [first, again] = sent();
    expect(again!.shard).toBe((first!.shard + lateShardStep) % seatShards);
    await eventually(async () => expect((await run.task("a")).state).toBe("succeeded"));
  });
});

describe("the simulated model's failures", () => {
  interface Faults {
    next(key: string): Promise<number>;
  }
  const faults = (env as unknown as { FAULTS: DurableObjectNamespace }).FAULTS;

  it("are counted by key, one at a time, over evictions", async () => {
    const { evictDurableObject } = await import("cloudflare:test");
    const stub = () => faults.getByName("counted") as unknown as Faults;
    expect(await Promise.all([stub().next("a"), stub().next("a"), stub().next("b"), stub().next("a")])).toEqual([
      0, 1, 0, 2,
    ]);
    await evictDurableObject(faults.getByName("counted"));
    expect(await stub().next("a")).toBe(3);
    expect(await stub().next("c")).toBe(0);
  });

  it("are retried by the task as transient, and fail it for good when they are not", async () => {
    const run = await makeRun();
    const retries = { limit: 2, backoff_ms: 10 };
    await run.create(
      { key: "soon", instructions: sim([{ text: "ok", fail: { status: 503, times: 2 } }]), retries },
      { key: "never", instructions: sim([{ text: "ok", fail: { status: 503, times: 3 } }]), retries },
      { key: "bad", instructions: sim([{ text: "ok", fail: { status: 400, times: 1 } }]), retries },
    );
    await eventually(async () => expect((await run.view()).idle).toBe(true));
    expect(await run.task("soon")).toMatchObject({ state: "succeeded", result: "ok", attempts: 3 });
    expect(await run.task("never")).toMatchObject({ state: "failed", error: { code: "provider_overloaded" } });
    expect(await run.task("bad")).toMatchObject({ state: "failed", error: { code: "provider_rejected" }, attempts: 1 });
    value(await run.rpc.finishRun({ cancel: false }));
    expect((await run.view()).status).toBe("failed");
  });
});
