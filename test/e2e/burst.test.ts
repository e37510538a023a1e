/**
 * Ten times what a run takes in at once, on a real server: what is too much is refused early and says when to come back;
 * health, results and whoever steers are answered meanwhile; and what was acknowledged is there, once.
 *
 * The room is filled by requests whose bodies stay unfinished, so that who is refused does not depend on anybody's speed.
 */

import { Agent, type ClientRequest, request } from "node:http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { shares } from "../../src/admission.ts";
import type { Lease } from "../../src/client/index.ts";
import { runWorkMax } from "../../src/limits.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import { type Answer, LocalServer } from "./lib/server.ts";

let server: LocalServer;
const agent = new Agent({ keepAlive: true });
const held: Held[] = [];
beforeAll(async () => {
  server = await LocalServer.start();
});
afterAll(async () => {
  for (const one of held) one.request.destroy();
  agent.destroy();
  await server?.stop();
});

const pool = "burst";
const room = runWorkMax * shares.create.work;
const task = (key: string) => ({ tasks: [{ key, pool, instructions: key }] });

interface Held {
  readonly request: ClientRequest;
  readonly finish: () => void;
  readonly answer: Promise<{ status: number; text: string }>;
}

/** A creation whose last byte is kept back. */
function hold(run: string, key: string): Held {
  const body = JSON.stringify(task(key));
  const headers = {
    authorization: "Bearer hdl_local",
    "content-type": "application/json",
    "content-length": String(body.length),
    "idempotency-key": key,
  };
  const sent = request(`${server.url}/v1/runs/${run}/tasks`, { method: "POST", agent, headers });
  const answer = new Promise<{ status: number; text: string }>((resolve) => {
    sent.on("error", (error) => resolve({ status: 0, text: String(error) }));
    sent.on("response", (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
  });
  sent.write(body.slice(0, -1));
  const one = { request: sent, finish: () => sent.end("}"), answer };
  held.push(one);
  return one;
}

/** Some at a time: a machine has only so many sockets. */
async function each<Item, Result>(items: readonly Item[], atOnce: number, work: (item: Item) => Promise<Result>) {
  const results: Result[] = [];
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const at = next++;
      results[at] = await work(items[at]!);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return results;
}

function expectRefusal({ status, headers, json }: Answer): void {
  expect([status, json.code, json.retryable]).toEqual([503, "overloaded", true]);
  expect(headers.get("content-type")).toBe("application/problem+json");
  expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
}

it("a burst of ten times the room is refused early; nothing that was acknowledged is lost or doubled", async () => {
  const { heddle } = server;
  const { id: run } = await heddle.createRun({ name: "burst", limits: { pools: [pool], workers: 64, tasks: 10_000 } });
  const keys = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
  const early = keys("early", 64);
  await heddle.createTasks(run, { tasks: early.map((key) => ({ key, pool, instructions: key })) });
  const leases: Lease[] = [];
  while (leases.length < early.length) {
    leases.push(...(await heddle.lease(pool, { worker: "w", max: early.length - leases.length, wait_ms: 5000 })));
  }

  // The room for new work is full: until then, probes are let in.
  const filling = keys("held", room).map((key) => ({ key, ...hold(run, key) }));
  const acknowledged: string[] = [...early];
  let probes = 0;
  await until("a full run", 30_000, async () => {
    const key = `probe-${probes++}`;
    // The local server replaces its isolate when a file of the bundle is touched: those that the old one has count there.
    if (probes % 40 === 0)
      filling.push(...keys(`held-${probes}`, room).map((more) => ({ key: more, ...hold(run, more) })));
    const answer = await server.call("POST", `/v1/runs/${run}/tasks`, task(key));
    if (answer.status === 201) acknowledged.push(key);
    else expectRefusal(answer);
    return answer.status !== 201;
  });

  // Nine times as much again, while results come in and others look.
  const more = keys("more", 9 * room);
  const [refusals, completions, looks] = await Promise.all([
    each(more, 64, (key) => server.call("POST", `/v1/runs/${run}/tasks`, task(key))),
    each(leases, 16, (lease) =>
      server.call("POST", `/v1/leases/${lease.id}/complete`, { result: "done early", next: false, worker: "w" }),
    ),
    each(keys("look", 20), 2, async () => ({
      health: (await server.call("GET", "/health")).status,
      read: (await server.call("GET", `/v1/runs/${run}`)).status,
      steered: (await server.call("POST", `/v1/runs/${run}/budget`, { tokens: 1_000_000 })).status,
      poll: await server.call("POST", `/v1/runs/${run}/wait`, { timeout_ms: 60_000 }),
    })),
  ]);
  for (const refusal of refusals) expectRefusal(refusal);
  expect(completions.map(({ status }) => status)).toEqual(leases.map(() => 200));
  for (const { poll, ...statuses } of looks) {
    expect(statuses).toEqual({ health: 200, read: 200, steered: 200 });
    expectRefusal(poll);
  }
  const seconds = new Set(refusals.map(({ headers }) => headers.get("retry-after")));
  expect(seconds.size).toBeGreaterThan(1);
  // Refused is not begun.
  expect((await heddle.run(run)).counts).toMatchObject({
    succeeded: leases.length,
    ready: acknowledged.length - early.length,
  });

  // Who was let in is served to the end; who was refused comes back as the client does.
  for (const one of filling) one.finish();
  const answers = await Promise.all(filling.map(async ({ key, answer }) => ({ key, ...(await answer) })));
  // Of those that an old isolate had, and of a second filling, some may be cut off or refused: then they are not there.
  const served = answers.filter(({ status }) => status === 201);
  if (filling.length === room) expect(served).toHaveLength(room);
  expect(served.length).toBeGreaterThan(0);
  acknowledged.push(...served.map(({ key }) => key));
  const again = more.slice(0, 192);
  await each(again, 192, (key) =>
    heddle.createTasks(run, task(key), { idempotencyKey: key, retryMs: 120_000 }).then(() => acknowledged.push(key)),
  );

  await each(keys("lane", 16), 16, async (worker) => {
    for (;;) {
      const [first] = await heddle.lease(pool, { worker, max: 1, wait_ms: 0 });
      if (!first) return;
      for (let lease: Lease | undefined = first; lease; ) {
        ({ lease } = await heddle.complete(lease.id, { result: lease.task.key, next: true, worker }));
      }
    }
  });
  expect(await heddle.waitFor(run)).toMatchObject({ done: true, counts: { succeeded: acknowledged.length } });
  await heddle.finishRun(run);
  const events = await logOf(server, run);
  const made = eventsOf(events, "task_created").map((event) => event.key as string);
  expect(made.sort()).toEqual(acknowledged.sort());
  const ended = eventsOf(events, "task_ended").map((event) => event.task);
  expect(new Set(ended).size).toBe(acknowledged.length);
  expect(ended).toHaveLength(acknowledged.length);
}, 120_000);
