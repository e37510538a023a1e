/** Seats that a queue gave up on: what their run is told, what becomes of letters that concern nobody, and the whole way of one. */

import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { deadLettersToldEveryMs, lateShardStep, seatShards } from "../../src/limits.ts";
import worker from "../../src/local/index.ts";
import type { Env } from "../../src/objects/env.ts";
import { deadSeatsQueue, type SeatTicket } from "../../src/objects/seat-rpc.ts";
import { eventually } from "./lib/eventually.ts";
import { bindings, makeRun, newTenant, TestClock, TestRun, value } from "./lib/runs.ts";

const queue = worker.queue.bind(worker);
/** Of the seats' queues: what comes there. */
const tickets: SeatTicket[] = [];
let seats: (batch: MessageBatch<unknown>) => unknown;
let lines: unknown[][] = [];

beforeEach(() => {
  tickets.length = 0;
  lines = [];
  seats = (batch) => batch.ackAll();
  vi.spyOn(worker, "queue").mockImplementation(async (batch, env) => {
    if (batch.queue === deadSeatsQueue) return queue(batch, env);
    for (const { body } of batch.messages) tickets.push(body as SeatTicket);
    await seats(batch as MessageBatch<unknown>);
  });
  vi.spyOn(console, "error").mockImplementation((...line: unknown[]) => void lines.push(line));
});
afterEach(() => void vi.restoreAllMocks());

const logged = (begin: string) => lines.filter(([first]) => String(first).includes(begin));
const ticketsOf = (run: TestRun) => tickets.filter((ticket) => ticket.run === run.id);

/** Delivers a batch of dead letters; answers what became of each, by its place. */
async function deliver(bodies: readonly unknown[], env: Partial<Env> = {}) {
  const messages = bodies.map((body, i) => ({ id: `${i}`, timestamp: new Date(), attempts: 1, body }));
  const batch = createMessageBatch<unknown>(deadSeatsQueue, messages);
  await queue(batch, { ...bindings, ...env } as Env);
  const { explicitAcks, retryMessages } = await getQueueResult(batch, createExecutionContext());
  return { acked: explicitAcks.map(Number).sort(), again: retryMessages.map(({ msgId }) => Number(msgId)).sort() };
}

const told = async (run: TestRun) =>
  value(await run.rpc.findings({ limit: 100 })).rows.map(({ kind, message }) => `${kind}: ${message.split(" ")[0]}`);

it("each is told of once in its run's findings, however often it comes and wherever the object was meanwhile", async () => {
  const [one, two] = [await makeRun(), await makeRun()];
  const letters = [one.ticket("a"), two.ticket("a"), one.ticket("b"), one.ticket("a")];
  expect(await deliver(letters)).toEqual({ acked: [0, 1, 2, 3], again: [] });
  expect([await told(one), await told(two)]).toEqual([["dead_letter: 2"], ["dead_letter: 1"]]);
  await one.evict();
  await deliver(letters);
  expect([await told(one), await told(two)]).toEqual([["dead_letter: 2"], ["dead_letter: 1"]]);
});

it("many are told of together: the first at once, the others when it is time, the last of them by the sweep", async () => {
  using clock = new TestClock();
  const run = await makeRun();
  await deliver([run.ticket("0")]);
  for (let i = 1; i <= 5; i++) await deliver([run.ticket(`${i}`)]);
  value(await run.rpc.sweep());
  expect(await told(run)).toEqual(["dead_letter: 1"]);
  clock.forward(deadLettersToldEveryMs);
  value(await run.rpc.sweep());
  value(await run.rpc.sweep());
  expect(await told(run)).toEqual(["dead_letter: 1", "dead_letter: 5"]);
  clock.forward(deadLettersToldEveryMs);
  await deliver([run.ticket("6"), run.ticket("5")]);
  expect(await told(run)).toEqual(["dead_letter: 1", "dead_letter: 5", "dead_letter: 1"]);
});

it("of a run that has ended, is deleted or unknown, and what is no seat's, are acknowledged, and nothing is made", async () => {
  const [ended, deleted] = [await makeRun(), await makeRun()];
  value(await ended.rpc.finishRun({ cancel: false }));
  value(await deleted.rpc.deleteRun());
  const unknown = new TestRun(newTenant(), "run_66666666666666666666");
  const strange = [null, 7, "run", {}, { ...ended.ticket("x"), run: "../x" }, { ...ended.ticket("x"), tenant: "a/b" }];
  const letters = [ended.ticket("x"), deleted.ticket("x"), unknown.ticket("x"), ...strange];
  expect(await deliver(letters)).toEqual({ acked: letters.map((_, i) => i), again: [] });
  expect(await told(ended)).toEqual([]);
  for (const run of [deleted, unknown]) expect(await run.rpc.run()).toMatchObject({ fault: { code: "not_found" } });
  expect(logged("a dead letter is no seat's")).toHaveLength(strange.length);
});

it("of a run that does not answer stay in the queue; those of others go through", async () => {
  const [away, there] = [await makeRun(), await makeRun()];
  const RUNS = {
    getByName: (name: string) =>
      name.includes(away.id)
        ? { deadSeats: async () => Promise.reject(new Error("away")) }
        : bindings.RUNS.getByName(name),
  } as unknown as DurableObjectNamespace;
  const letters = [away.ticket("a"), there.ticket("a"), away.ticket("b")];
  expect(await deliver(letters, { RUNS })).toEqual({ acked: [1], again: [0, 2] });
  expect([await told(away), await told(there)]).toEqual([[], ["dead_letter: 1"]]);
  await deliver(letters);
  expect(await told(away)).toEqual(["dead_letter: 2"]);
});

it("what is no ticket breaks no batch of seats", async () => {
  const run = await makeRun();
  const messages = [null, run.ticket("s")].map((body, i) => ({
    id: `${i}`,
    timestamp: new Date(),
    attempts: 1,
    body,
  }));
  const batch = createMessageBatch<unknown>("heddle-seats-0", messages);
  await queue(batch, bindings);
  expect((await getQueueResult(batch, createExecutionContext())).explicitAcks).toEqual(["0", "1"]);
});

it("a seat that died is sent again at once, through another queue, where it is needed", async () => {
  using _ = new TestClock();
  const run = await makeRun();
  await run.create({ key: "a", instructions: "hosted" });
  await eventually(() => expect(ticketsOf(run)).toHaveLength(1));
  const [first] = ticketsOf(run);
  await deliver([first]);
  await eventually(() => expect(ticketsOf(run)).toHaveLength(2));
  expect(ticketsOf(run)[1]!.shard).toBe((first!.shard + lateShardStep) % seatShards);
  value(await run.rpc.cancelRun(undefined));
});

it("a message that no consumer survives goes the whole way: four deliveries, the queue of dead letters, a finding", async () => {
  const run = await makeRun();
  seats = (batch) => {
    if (batch.messages.some(({ body }) => (body as SeatTicket).run === run.id)) throw new Error("out of memory");
    batch.ackAll();
  };
  await run.create({ key: "a", instructions: "hosted" });
  await eventually(async () => expect((await told(run)).length).toBeGreaterThan(0));
  expect((await told(run))[0]).toBe("dead_letter: 1");
  const { nonce } = ticketsOf(run)[0]!;
  expect(ticketsOf(run).filter((ticket) => ticket.nonce === nonce)).toHaveLength(4);
  value(await run.rpc.cancelRun(undefined));
});
