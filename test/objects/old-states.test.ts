/** What older versions left in the middle opens in the real objects, goes on, and comes to its end. test/fixtures/state/README.md */

import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { LeaseRef } from "../../src/objects/rpc.ts";
import type { SeatTicket } from "../../src/objects/seat-rpc.ts";
import { noCounts } from "../../src/scheduler/state.ts";
import { runSchema } from "../../src/storage/run/schema.ts";
import { webhookTypeOf } from "../../src/webhooks/types.ts";
import { type OldState, oldStates, restore } from "../fixtures/state/states.ts";
import { copyOf, exported, imported, send } from "./lib/files.ts";
import { bindings, gateOf, TestClock, TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

const tickets = heldSeats();

const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
const all = ["task", "tool_call"] as const;

const complete = async (run: TestRun, lease: LeaseRef) =>
  value(await run.rpc.complete(lease, { result: "done", next: false, worker: "w" }));

/** What has ended stays as it was, and the rest is done. */
function countsOf(tasks: OldState["seen"][number]["tasks"]) {
  const counts = noCounts();
  for (const { state } of tasks) counts[isEnded(state) ? state : "succeeded"]++;
  return counts;
}

const isEnded = (state: string) => state === "failed" || state === "cancelled" || state === "skipped";

/** What its webhook had not told, and what was not taken, is told once the endpoint is back: all of the log's events. */
async function expectTold(run: TestRun, tickets: readonly SeatTicket[], clock: TestClock): Promise<void> {
  value(await run.rpc.replayDeliveries({ after: 0, state: "retrying" }));
  const isOf = (ticket: SeatTicket) => "webhook" in ticket && ticket.run === run.id;
  const { nonce } = await vi.waitUntil(() => tickets.findLast(isOf), { timeout: 10_000 });
  for (let work = await run.rpc.openWebhook(nonce); work; ) {
    const attempt = { at: clock.now, ms: 5, status: 204 };
    work = await run.rpc.reportWebhook(
      nonce,
      work.messages.map(({ seq }) => ({ seq, taken: true, attempt })),
    );
  }
  const told = (await run.events()).filter((event) => webhookTypeOf(event as never) !== undefined);
  const counts = { delivered: told.length, retrying: 0, failed: 0 };
  expect(await run.rpc.webhook()).toMatchObject({ value: { counts } });
}

/** Everybody does what is asked of them until every task has ended. */
async function bringToEnd(run: TestRun, clock: TestClock): Promise<void> {
  if ((await run.view()).status === "paused") value(await run.rpc.resume());
  const use = (tool: string, args: object, actor?: string) =>
    run.rpc.callTool({ tool, arguments: JSON.stringify(args), waitMs: 0, ...(actor && { actor }) });
  const names = value(await run.rpc.variables({ limit: 100 })).rows.map(({ name }) => name);
  if (names.includes("f")) value(await use("future", { op: "resolve", name: "f", value: 1 }));
  if (names.includes("q")) value(await use("message_queue", { op: "push", name: "q", messages: [1] }));
  if (names.includes("full")) value(await use("message_queue", { op: "pop", name: "full" }));
  if (names.includes("b")) {
    const { id } = value(await run.rpc.openActor({ ttlMs: 600_000 }));
    value(await use("barrier", { op: "wait", name: "b", parties: 2 }, id));
  }
  for (let round = 0; round < 100; round++) {
    const { counts } = await run.view();
    if (counts.ready + counts.running + counts.parked + counts.waiting === 0) return;
    const grants = value(await run.rpc.leases({ pool: "box", worker: "w", max: 20, contextBytes: 1e6, kinds: all }));
    for (const grant of grants) await complete(run, grant);
    const seat = `late-${round}`;
    const job = await run.rpc.openSeat(run.ticket(seat), nextTask(seat));
    if (job && "fork" in job) {
      const messages = [...job.fork, '{"role":"assistant","content":"done"}'];
      const ending = { kind: "result", result: "done" } as const;
      await run.rpc.seatTurn(job, { messages, usage, calls: [], ending }, undefined);
    }
    if (grants.length > 0 || job) continue;
    clock.forward(61_000);
    await run.ring();
  }
  throw new Error("it did not come to its end");
}

describe.each(oldStates)("what schema $schema left", ({ schema, at, tenant, leases, seen, objects }) => {
  const runs = seen.map(({ run }) => new TestRun(tenant, run));
  const [mid] = runs as [TestRun];
  const stubOf = (kind: (typeof objects)[number]["kind"], name: string) => bindings[kind].getByName(name);

  beforeAll(async () => {
    for (const { kind, name, tables } of objects) {
      const stub = stubOf(kind, name);
      await runInDurableObject(stub, (_, { storage: { sql } }) => {
        // A gate makes its tables when it is loaded.
        for (const table of ["ready", "outcomes", "meta"]) sql.exec(`DROP TABLE IF EXISTS ${table}`);
        restore(sql, tables);
      });
      await evictDurableObject(stub);
    }
  });

  it("is as its own version saw it, is exported, and its copy comes to its end as it does", async () => {
    using clock = new TestClock();
    clock.forward(at + 1000 - clock.now);

    // The gate knows whose tasks are ready, before any run is called.
    const ask = { tenant, pool: "box", worker: "w", max: 50, waitMs: 0 };
    const given = value(await gateOf(tenant).lease(ask));
    const readyKeys = given.map((grant) => ("call" in grant ? "" : grant.task.key));
    expect(readyKeys).toContain(schema < 5 ? "from-outside" : "to-review");
    expect(readyKeys).not.toContain("ready-of-paused");

    for (const [i, run] of runs.entries()) {
      const { status, tasks, webhook } = seen[i]!;
      const now = await run.tasks();
      if (webhook) expect(await run.rpc.webhook()).toMatchObject({ value: webhook });
      expect((await run.view()).status).toBe(status);
      const before = tasks.map(({ key, state, attempts, result }) => {
        const isGiven = given.some((grant) => grant.run === run.id && !("call" in grant) && grant.task.key === key);
        return { key, state: isGiven ? "running" : state, attempts: attempts + (isGiven ? 1 : 0), result };
      });
      expect(now.map(({ key, state, attempts, result }) => ({ key, state, attempts, result }))).toEqual(before);
      for (const [j, { group, stand_in }] of tasks.entries())
        if (group !== undefined) expect(now[j]).toMatchObject({ group, stand_in });
      for (const { id } of now) value(await run.rpc.taskContext(id));
      const version = await runInDurableObject(stubOf("RUNS", `${tenant}/${run.id}`), (_, { storage: { sql } }) =>
        Number(sql.exec("SELECT value FROM meta WHERE name = 'schema'").one().value),
      );
      expect(version).toBe(runSchema.steps.length);
    }

    // Leases that were given then are good now, and answers are what they were.
    const [held] = Object.values(leases) as [LeaseRef];
    value(await mid.rpc.renew(held));
    if (schema >= 2 && leases.leased) {
      const add = { tool: "atomic", arguments: '{"op":"add","name":"n","delta":5}', waitMs: 0 };
      expect(await mid.rpc.leaseTool(held, { ...add, callId: "c1" })).toMatchObject({
        value: { result: { value: 5 } },
      });
      expect(await mid.rpc.leaseTool(held, { ...add, callId: "c9" })).toMatchObject({
        value: { result: { value: 10 } },
      });
      const kept = async (name: string) => value(await mid.rpc.variable(name)).state;
      expect(await kept("m")).toMatchObject({ size: 1 });
      expect(await kept("l")).toMatchObject({ size: 2 });
      expect(await kept("t")).toMatchObject({ version: 1 });
    }

    const copies: TestRun[] = [];
    for (const run of runs) copies.push(await imported(run, await exported(run)));

    for (const grant of given) await complete(runs.find(({ id }) => id === grant.run)!, grant);
    for (const [key, lease] of Object.entries(leases)) {
      const [run] = seen.filter(({ tasks }) => tasks.some((task) => task.key === (key === "call" ? "calls" : key)));
      if (run!.status !== "paused") await complete(runs.find(({ id }) => id === run!.run)!, lease);
    }
    for (const [i, { tasks, webhook }] of seen.entries()) {
      for (const run of [runs[i]!, copies[i]!]) {
        await bringToEnd(run, clock);
        expect((await run.view()).counts).toEqual(countsOf(tasks));
      }
      if (webhook) await expectTold(runs[i]!, tickets, clock);
    }
  });
});

describe.each(oldStates.filter(({ files }) => Object.keys(files).length > 0))(
  "what schema $schema exported",
  ({ at, tenant, seen, files }) => {
    it("is imported, and comes to its end", async () => {
      using clock = new TestClock();
      clock.forward(at + 1000 - clock.now);
      for (const [id, lines] of Object.entries(files)) {
        const copy = copyOf(new TestRun(tenant, id));
        value(await send(copy, lines));
        const { tasks } = seen.find(({ run }) => run === id)!;
        const ended = tasks.filter(({ state }) => state === "succeeded").length;
        expect((await copy.view()).counts.succeeded).toBe(ended);
        await bringToEnd(copy, clock);
        expect((await copy.view()).counts).toEqual(countsOf(tasks));
      }
    });
  },
);
