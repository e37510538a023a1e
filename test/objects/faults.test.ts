/**
 * A case for every row of the table of faults (src/errors/faults.ts) that needs a clock that moves or a platform that fails. The
 * door, the objects and the queue's consumer are the real ones; what fails is a binding. The other rows: test/e2e/faults.test.ts.
 */

import {
  createExecutionContext,
  createMessageBatch,
  evictDurableObject,
  getQueueResult,
  runInDurableObject,
} from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { serveSeat } from "../../src/agent/seat.ts";
import { deployment } from "../../src/deployment.ts";
import { type FaultClass, faults, ruleOf } from "../../src/errors/faults.ts";
import { leaseMs, poisonedLosses, seatOpenMs, seatShards } from "../../src/limits.ts";
import worker from "../../src/local/index.ts";
import type { Env } from "../../src/objects/env.ts";
import { RunScheduler } from "../../src/objects/run-scheduler.ts";
import { deadSeatsQueue, type SeatTicket } from "../../src/objects/seat-rpc.ts";
import { insertRun, listRuns } from "../../src/storage/d1/run-index.ts";
import type { InWorkerd } from "../errors/places.ts";
import { eventually } from "./lib/eventually.ts";
import { bindings, makeRun, newTenant, TestClock, TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();

const box = (key: string) => ({ key, pool: "box", instructions: `do ${key}` });

interface Asked {
  method?: string;
  body?: object;
  named?: boolean;
}

/** A request to the real door, with other bindings. */
async function ask(path: string, env: Partial<Env>, { method, body, named }: Asked = {}): Promise<Response> {
  const request = new Request(`http://127.0.0.1${path}`, {
    method: method ?? (body ? "POST" : "GET"),
    headers: {
      authorization: "Bearer hdl_local",
      ...(body && { "content-type": "application/json" }),
      ...(named && { "idempotency-key": crypto.randomUUID() }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  return worker.fetch(request as never, { ...bindings, ...env } as never, createExecutionContext());
}

/** A namespace whose objects answer every call with this, the first `times` times; and how often it was called. */
function failing(error: () => unknown, times = Number.POSITIVE_INFINITY) {
  const calls = { count: 0 };
  const namespace = {
    getByName: (name: string) =>
      new Proxy(
        {},
        {
          get:
            (_, method: string) =>
            async (...args: unknown[]) => {
              if (++calls.count <= times) throw error();
              const stub = bindings.RUNS.getByName(name) as unknown as Record<string, (...given: unknown[]) => unknown>;
              return stub[method]!(...args);
            },
        },
      ),
  };
  return { calls, env: { RUNS: namespace as unknown as DurableObjectNamespace } };
}

const marked = (marks: object) => () => Object.assign(new Error("the platform's"), marks);

/** The problem is the row's; what can be repeated later says when. */
async function expectProblem(fault: FaultClass, response: Response): Promise<void> {
  const { problem } = ruleOf(fault);
  expect(await response.json()).toMatchObject({ code: problem, status: response.status });
  if (problem === "overloaded") expect(response.headers.get("retry-after")).toMatch(/^[1-3]$/);
}

const localRun = (): Promise<TestRun> => makeRun({ tenant: "local" });

/** The line that the deployment's log gets, once. */
async function logged(line: string | RegExp, act: () => Promise<unknown>): Promise<void> {
  const spy = vi.spyOn(console, "error").mockImplementation(() => {});
  await act();
  await eventually(() => expect(spy.mock.calls.map(([first]) => String(first)).join("\n")).toMatch(line));
  spy.mockRestore();
}

/** A run's own object with other bindings; what it would send to the queues goes nowhere. */
async function withObject(
  env: Partial<Env>,
  test: (load: (more?: Partial<Env>) => RunScheduler, run: TestRun) => Promise<void>,
) {
  const run = new TestRun(newTenant(), `run_faults${++made}`);
  await runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), async (_, state) => {
    await test((more = {}) => new RunScheduler(state, { ...bindings, ...env, ...more } as Env), run);
  });
}
let made = 0;

const created = (run: TestRun) => ({
  tenant: run.tenant,
  run: run.id,
  context: { format: "anthropic" as const, messages: [] },
  limits: { pools: ["box"] },
});

const cases: Record<InWorkerd, () => Promise<void>> = {
  no_provider: async () => {
    const run = await makeRun();
    await run.create({ key: "a", instructions: "hosted", retries: { limit: 3 } });
    await serveSeat(run.ticket("s"), () => run.rpc, {});
    expect(await run.task("a")).toMatchObject({ state: "failed", error: { code: "no_provider" }, attempts: 1 });
  },

  worker_lost: async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create(box("a"));
    const first = (await run.lease("one"))!;
    value(await run.rpc.turn(first, { messages: ['{"role":"assistant","content":"half"}'] }));
    clock.forward(leaseMs + 1);
    await run.ring();
    const second = (await run.lease("two"))!;
    expect(second.contextText).toContain("half");
    expect(await run.task("a")).toMatchObject({ state: "running", attempts: 2, error: null });
    const ended = (await run.events()).find(({ type }) => type === ruleOf("worker_lost").event);
    expect(ended).toMatchObject({ why: "lost", fence: first.fence });
  },
  poisoned: async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create(box("a"), { ...box("b"), after: ["a"] });
    for (let lost = 0; lost < poisonedLosses; lost++) {
      expect(await run.lease()).toBeDefined();
      clock.forward(leaseMs + 1);
      await run.ring();
    }
    const { ends } = faults.poisoned;
    expect(await run.task("a")).toMatchObject({ state: ends, error: { code: "poisoned" }, attempts: poisonedLosses });
    expect(await run.task("b")).toMatchObject({ state: "skipped", error: { cause: { error: { code: "poisoned" } } } });
  },
  tool_worker_lost: async () => {
    using clock = new TestClock();
    const look = { name: "look", description: "Looks.", input_schema: '{"type":"object"}', pool: "eyes" };
    const run = await makeRun({ tools: [{ ...look, timeout_ms: 3_600_000, retries: { limit: 0 } }] });
    await run.create(box("a"));
    const caller = (await run.lease())!;
    const call = { tool: "look", callId: "c", arguments: "{}", waitMs: 0 };
    value(await run.rpc.leaseTool(caller, call));
    const eyes = { pool: "eyes", worker: "w", max: 1, contextBytes: 1e6, kinds: ["tool_call"] } as const;
    for (let lost = 0; lost < poisonedLosses; lost++) {
      expect(value(await run.rpc.leases({ ...eyes, kinds: [...eyes.kinds] }))).toHaveLength(1);
      clock.forward(leaseMs - 1);
      value(await run.rpc.renew(caller));
      clock.forward(2);
      await run.ring();
    }
    const answer = value(await run.rpc.leaseTool(caller, call));
    expect(answer).toMatchObject({ error: { code: ruleOf("tool_worker_lost").tool, attempts: poisonedLosses } });
    expect(await run.task("a")).toMatchObject({ state: "running", attempts: 1 });
  },
  runtime_gone: () =>
    withObject({}, async (load, run) => {
      const first = load({ HEDDLE_BOOT: "one" });
      value(await first.createRun(created(run)));
      value(await first.createTasks({ tasks: [{ key: "a", instructions: "hosted" }] }));
      for (let restarts = 1; restarts <= poisonedLosses + 1; restarts++) {
        const before = load({ HEDDLE_BOOT: `boot ${restarts}` });
        expect(await before.openSeat(run.ticket(`s${restarts}`), nextTask(`s${restarts}`))).toBeDefined();
        const after = load({ HEDDLE_BOOT: `boot ${restarts + 1}` });
        expect(value(await after.task("a"))).toMatchObject({ state: "ready", attempts: restarts });
      }
      value(await load({ HEDDLE_BOOT: "last" }).cancelRun(undefined));
    }),

  object_unavailable: async () => {
    const { tries } = faults.object_unavailable.retry;
    const run = await localRun();
    const path = `/v1/runs/${run.id}`;
    for (const marks of [{ retryable: true }, { durableObjectReset: true }]) {
      const passes = failing(marked(marks), tries - 1);
      expect((await ask(path, passes.env)).status).toBe(200);
      expect(passes.calls.count).toBe(tries);
    }
    const stays = failing(marked({ retryable: true }));
    await expectProblem("object_unavailable", await ask(path, stays.env));
    expect(stays.calls.count).toBe(tries);
    // It may have been carried out: repeated only under a name, by which a repeat is known.
    const tasks = { tasks: [box("a")] };
    const unnamed = failing(marked({ retryable: true }));
    await expectProblem("object_unavailable", await ask(`${path}/tasks`, unnamed.env, { body: tasks }));
    expect(unnamed.calls.count).toBe(1);
    const named = failing(marked({ retryable: true }), 1);
    expect((await ask(`${path}/tasks`, named.env, { body: tasks, named: true })).status).toBe(201);
    expect(await run.tasks()).toHaveLength(1);
  },
  object_overloaded: async () => {
    const run = await localRun();
    const busy = failing(marked({ overloaded: true, retryable: true }));
    await expectProblem("object_overloaded", await ask(`/v1/runs/${run.id}`, busy.env));
    expect(busy.calls.count).toBe(1);
  },
  call_too_large: async () => {
    const run = await localRun();
    const said =
      "Serialized RPC arguments or return values are limited to 32MiB, but the size of this value was: 33554500.";
    const large = failing(() => new TypeError(said));
    const body = { after: (await run.view()).snapshot, messages: [{ role: "user", content: "x" }] };
    await expectProblem("call_too_large", await ask(`/v1/runs/${run.id}/context`, large.env, { body }));
    expect(large.calls.count).toBe(1);
  },
  database_unavailable: async () => {
    const gone = () => {
      throw new Error("D1_ERROR: Network connection lost.");
    };
    await logged(/urn:uuid:/, async () => {
      await expectProblem("database_unavailable", await ask("/v1/runs", { DB: { prepare: gone } as never }));
    });
    // A run tells the index of its end again, until it is heard.
    using clock = new TestClock();
    let lost = 0;
    const DB = {
      prepare: (sql: string) => (++lost === 1 ? gone() : bindings.DB.prepare(sql)),
    } as unknown as D1Database;
    await withObject({ DB }, async (load, run) => {
      await insertRun(bindings.DB, { tenant: run.tenant, id: run.id, name: null, createdAt: clock.now });
      const object = load();
      value(await object.createRun(created(run)));
      value(await object.finishRun({ cancel: false }));
      const indexed = async () => (await listRuns(bindings.DB, run.tenant, 1))[0]?.status;
      expect(await indexed()).toBe("active");
      clock.forward(faults.database_unavailable.retry.afterMs);
      await object.alarm();
      await eventually(async () => expect(await indexed()).toBe("succeeded"));
    });
  },
  queue_refused: async () => {
    using clock = new TestClock();
    const sent: number[] = [];
    const shard = (n: number) => [
      `SEATS_${n}`,
      {
        sendBatch: async () => {
          sent.push(n);
          if (sent.length === 1) throw new Error("Queue sendBatch failed: Too Many Requests");
        },
      },
    ];
    const env = Object.fromEntries(Array.from({ length: seatShards }, (_, n) => shard(n)));
    await withObject(env as Partial<Env>, async (load, run) => {
      const object = load();
      value(await object.createRun(created(run)));
      await logged(faults.queue_refused.log, () =>
        object.createTasks({ tasks: [{ key: "a", instructions: "hosted" }] }),
      );
      expect(sent).toHaveLength(1);
      clock.forward(seatOpenMs);
      await object.alarm();
      expect(sent).toHaveLength(2);
      expect(sent[1]).not.toBe(sent[0]);
      value(await object.cancelRun(undefined));
    });
  },
  seat_broke: async () => {
    const run = await makeRun();
    const broken = failing(() => new Error("no"));
    const timestamp = new Date();
    const message = { id: "m", timestamp, attempts: 1, body: run.ticket("s") };
    const batch = createMessageBatch<SeatTicket>("heddle-seats-0", [message]);
    await logged(faults.seat_broke.log, () => deployment().queue(batch, { ...bindings, ...broken.env }));
    const { explicitAcks, retryMessages } = await getQueueResult(batch, createExecutionContext());
    expect({ explicitAcks, retryMessages }).toEqual({ explicitAcks: ["m"], retryMessages: [] });
  },
  seat_undelivered: async () => {
    const { finding, log } = faults.seat_undelivered;
    const run = await makeRun();
    const message = { id: "m", timestamp: new Date(), attempts: 1, body: run.ticket("s") };
    const batch = createMessageBatch<SeatTicket>(deadSeatsQueue, [message]);
    await logged(log, () => deployment().queue(batch, bindings));
    expect((await getQueueResult(batch, createExecutionContext())).explicitAcks).toEqual(["m"]);
    const { rows } = value(await run.rpc.findings({ limit: 5 }));
    expect(rows).toMatchObject([
      { kind: finding, severity: "warning", message: expect.stringMatching(/^1 seat .*4 times/) },
    ]);
  },
  storage_newer: async () => {
    const run = await localRun();
    await run.create(box("a"));
    const add = { arguments: { op: "add", name: "n", delta: 1 } };
    const use = {
      run: () => ask(`/v1/runs/${run.id}`, {}),
      variable: () => ask(`/v1/runs/${run.id}/tools/atomic`, {}, { body: add }),
      gate: () => ask("/v1/pools/box/leases", {}, { body: { worker: "w", max: 1 } }),
    };
    const objects = {
      run: () => bindings.RUNS.getByName(`${run.tenant}/${run.id}`),
      variable: () => bindings.VARIABLES.getByName(`${run.tenant}/${run.id}/n`),
      gate: () => bindings.GATES.getByName(run.tenant),
    };
    expect((await use.variable()).status).toBe(200);
    const refused = async (kind: keyof typeof objects, spoil: string, mend: string, detail: RegExp) => {
      const exec = async (sql: string) => {
        await runInDurableObject(objects[kind](), (_, { storage }) => void storage.sql.exec(sql));
        await evictDurableObject(objects[kind]());
      };
      await exec(spoil);
      const response = await use[kind]();
      expect({ status: response.status, ...((await response.json()) as object) }).toMatchObject({
        status: 503,
        code: faults.storage_newer.problem,
        hint: expect.stringContaining("Deploy the newer version again"),
        detail: expect.stringMatching(detail),
        retryable: true,
      });
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(5);
      await exec(mend);
      expect((await use[kind]()).status).toBe(200);
    };
    for (const kind of ["variable", "run", "gate"] as const) {
      const known = await runInDurableObject(objects[kind](), (_, { storage }) =>
        storage.sql.exec("SELECT value FROM meta WHERE name = 'schema'").one(),
      );
      const set = (version: unknown) => `UPDATE meta SET value = '${version}' WHERE name = 'schema'`;
      await refused(kind, set(99), set(known.value), /is of version 99/);
    }
    const log = (event: string) => `INSERT INTO log(seq, at, events) VALUES(1000, 1, '[${event}]')`;
    const mend = "DELETE FROM log WHERE seq = 1000";
    await refused("run", log('{"type":"dreamt","task":1}'), mend, /the type dreamt/);
    await refused("run", log('{"type":"task_ready","task":1,"why":"dream","v":7}'), mend, /task_ready is of version 7/);
  },
  internal: async () => {
    const run = await localRun();
    const bug = failing(() => new Error("invariant broken: of the test"));
    await logged(/urn:uuid:/, async () => {
      await expectProblem("internal", await ask(`/v1/runs/${run.id}`, bug.env));
    });
    expect(bug.calls.count).toBe(1);
  },
};

describe("a fault", () => {
  it.each(Object.entries(cases))("%s is what its row says", (_, story) => story());
});

it("object_unavailable, object_overloaded: of a variable, too", async () => {
  const { tries } = faults.object_unavailable.retry;
  for (const [marks, calls] of [
    [{ retryable: true }, tries],
    [{ overloaded: true }, 1],
  ] as const) {
    const away = failing(marked(marks));
    await withObject({ VARIABLES: away.env.RUNS }, async (load, run) => {
      const object = load();
      value(await object.createRun(created(run)));
      const add = { tool: "atomic", callId: "c", arguments: '{"op":"add","name":"n","delta":1}', waitMs: 0 };
      const reply = await object.callTool(add);
      expect(reply).toMatchObject({ ok: false, fault: { code: "overloaded", detail: expect.stringContaining('"n"') } });
      expect(away.calls.count).toBe(calls);
    });
  }
});

it("object_unavailable: a long poll outlives the object that it waited on", async () => {
  const run = await localRun();
  await run.create(box("a"));
  const body = { tasks: ["a"], timeout_ms: 20_000 };
  const waiting = ask(`/v1/runs/${run.id}/wait`, {}, { body });
  const lease = (await run.lease())!;
  const object = bindings.RUNS.getByName(`${run.tenant}/${run.id}`);
  await runInDurableObject(object, (_, state) => state.abort("the test's")).catch(() => undefined);
  value(await run.rpc.complete(lease, { result: "done", next: false, worker: "w" }));
  const response = await waiting;
  expect({ status: response.status, answer: await response.json() }).toMatchObject({
    status: 200,
    answer: { done: true, tasks: [{ result: "done" }] },
  });
});
