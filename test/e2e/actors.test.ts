/** Sessions of agents outside on a real server: holds, long polls, time to live, and a `kill -9`. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "./lib/log.ts";
import { result } from "./lib/outcome.ts";
import { LocalServer } from "./lib/server.ts";
import { plays } from "./lib/sim.ts";

let server: LocalServer;

beforeAll(async () => {
  server = await LocalServer.start();
});
afterAll(async () => {
  await server?.stop();
});

const acquire = (actor: string, more: object = {}) => ({ arguments: { op: "acquire", name: "l" }, actor, ...more });

describe("sessions", () => {
  it("hold, keep others waiting, re-attach to a wait by its call_id, and let go when closed", async () => {
    const { heddle } = server;
    const { id } = await heddle.createRun({});
    const [a, b] = [await heddle.openActor(id, { name: "a" }), await heddle.openActor(id, { name: "b" })];
    expect(result(await heddle.callTool(id, "lock", acquire(a.id)))).toEqual({ token: 1 });
    const call = acquire(b.id, { call_id: "one", wait_ms: 0 });
    expect(await heddle.callTool(id, "lock", call)).toEqual({ pending: true, call_id: "one" });
    expect((await heddle.actor(id, b.id)).waiting_on).toMatchObject({ variables: ["l"], op: "lock.acquire" });
    expect((await heddle.actors(id)).actors.map(({ name }) => name)).toEqual(["a", "b"]);
    const again = heddle.callTool(id, "lock", acquire(b.id, { call_id: "one", wait_ms: 20_000 }));
    await heddle.closeActor(id, a.id);
    expect(result(await again)).toEqual({ token: 2 });
    // Its hold is over, and another's has begun: the write is refused though the new holder has not written yet.
    const write = { op: "append", name: "notes", text: "late", fence: { lock: "l", token: 1 } };
    const late = await heddle.callTool(id, "shared_memory", { arguments: write });
    expect(late).toMatchObject({ error: { code: "stale_fence", newest: 2 } });
    // The call's answer is kept: a repeat takes nothing again.
    expect(result(await heddle.callTool(id, "lock", acquire(b.id, { call_id: "one" })))).toEqual({ token: 2 });
    expect(await heddle.variable(id, "l")).toMatchObject({ holders: [{ task: b.id, token: 2 }], ops: { grants: 2 } });
    expect((await heddle.actor(id, b.id)).holds).toMatchObject([{ variable: "l", token: 2, mode: "exclusive" }]);
    await expect(heddle.actor(id, a.id)).rejects.toMatchObject({ code: "not_found" });
    await expect(heddle.callTool(id, "lock", acquire(a.id))).rejects.toMatchObject({ code: "not_found" });
    await expect(heddle.callTool(id, "lock", acquire("A9-000000"))).rejects.toMatchObject({ code: "not_found" });
    await expect(heddle.openActor(id, { ttl_ms: 1 })).rejects.toMatchObject({ code: "validation_failed" });
  });

  it("run out, although nobody calls, and what they held goes to a task; a kill -9 before changes nothing", async () => {
    const { heddle } = server;
    const { id } = await heddle.createRun({});
    const short = await heddle.openActor(id, { ttl_ms: 8000 });
    expect(result(await heddle.callTool(id, "lock", acquire(short.id, { wait_ms: 0 })))).toEqual({ token: 1 });
    const script = plays([{ calls: [{ tool: "lock", arguments: { op: "acquire", name: "l" } }] }, { text: "in" }]);
    await heddle.createTasks(id, { tasks: [{ key: "t", instructions: script }] });
    await until("the task waits", 20_000, async () => (await heddle.task(id, "t")).state === "parked");
    await server.kill();
    await server.start();
    expect((await heddle.actor(id, short.id)).holds).toMatchObject([{ variable: "l", token: 1 }]);
    const { tasks } = await heddle.waitFor(id, { tasks: ["t"], mode: "settled" });
    expect(tasks).toMatchObject([{ state: "succeeded", result: "in" }]);
    await expect(heddle.renewActor(id, short.id)).rejects.toMatchObject({ code: "not_found" });
  });

  it("keep themselves by renewal, and end with the run", async () => {
    const { heddle } = server;
    const { id } = await heddle.createRun({});
    const actor = await heddle.openActor(id, { ttl_ms: 60_000 });
    const renewed = await heddle.renewActor(id, actor.id);
    expect(renewed.expires_at).toBeGreaterThanOrEqual(actor.expires_at);
    await heddle.finishRun(id);
    expect((await heddle.actors(id)).actors).toEqual([]);
    await expect(heddle.openActor(id)).rejects.toMatchObject({ code: "run_ended" });
  });

  it("name their own calls: a repeat gets the first answer, wherever the head has gone", async () => {
    const { heddle } = server;
    const { id, snapshot } = await heddle.createRun({});
    const actor = await heddle.openActor(id, {});
    // Without the Idempotency-Key that the typed client sends.
    const body = { actor: actor.id, call_id: "one", arguments: { op: "add", name: "n", delta: 1 } };
    const first = await server.call("POST", `/v1/runs/${id}/tools/atomic`, body);
    expect(first.json).toEqual({ result: { value: 1, previous: 0 } });
    await heddle.appendContext(id, { after: snapshot, messages: [{ role: "user", content: "news" }] });
    expect((await server.call("POST", `/v1/runs/${id}/tools/atomic`, body)).json).toEqual(first.json);
    // Another session's call of that name is another call.
    const other = { ...body, actor: (await heddle.openActor(id, {})).id };
    expect((await server.call("POST", `/v1/runs/${id}/tools/atomic`, other)).json).toMatchObject({
      result: { value: 2 },
    });
  });

  it("pop what a task pushes", async () => {
    const { heddle } = server;
    const { id } = await heddle.createRun({});
    const actor = await heddle.openActor(id);
    const wait = { arguments: { op: "pop", name: "q", max: 10 }, actor: actor.id, wait_ms: 20_000 };
    const popped = heddle.callTool(id, "message_queue", wait);
    const push = { tool: "message_queue", arguments: { op: "push", name: "q", messages: [{ n: 1 }, "two"] } };
    await heddle.createTasks(id, { tasks: [{ key: "t", instructions: plays([{ calls: [push] }, { text: "sent" }]) }] });
    expect(result(await popped)).toEqual({ messages: [{ n: 1 }, "two"] });
  });
});
