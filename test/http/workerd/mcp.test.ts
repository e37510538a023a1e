/** MCP against the real objects: holds and waits without a session of the protocol, durable tasks, leases, and whoever has no right to any of it. */

import { evictDurableObject } from "cloudflare:test";
import { isCreateTaskResultV2, isDetailedTaskV2 } from "@modelcontextprotocol/ext-tasks/core/v2";
import { expect, test } from "vitest";
import { actorTtlMsMax, mcpHoldMs, mcpWaiterMs, rateBurstS } from "../../../src/limits.ts";
import { newKey, newTenant, send } from "./lib.ts";
import { api, bindings, type Message, message, newRun, rpc, tasks, tool } from "./mcp-lib.ts";

const actors = async (run: string) => (await api("GET", `/v1/runs/${run}/actors`)).actors;

test("acquire opens a session that ends by itself, and its id releases", async () => {
  const run = await newRun();
  const lock = (args: object, sent?: Message) => tool("lock", { run, name: "l", ...args }, sent);
  const first = await lock({ op: "acquire" }, { modern: {} });
  expect(first).toEqual({ token: 1, actor: expect.stringMatching(/^A1-/) });
  expect(await actors(run)).toMatchObject([{ id: first.actor, name: "MCP: Test client", ttl_ms: mcpHoldMs }]);
  expect(mcpHoldMs).toBeLessThan(actorTtlMsMax);
  // Who does not get it leaves no session behind.
  expect(await lock({ op: "try_acquire" })).toEqual({
    acquired: false,
    holders: [expect.objectContaining({ token: 1 })],
  });
  expect((await lock({ op: "acquire", actor: first.actor })).error).toMatchObject({ code: "already_held", token: 1 });
  await expect.poll(async () => (await actors(run)).length).toBe(1);
  // Who waits for it goes on by a handle, whatever became of the object in between.
  const { pending, handle } = await lock({ op: "acquire" });
  expect(pending).toBe(true);
  await evictDurableObject(bindings.RUNS.getByName(`ten_mcp_a/${run}`) as never);
  expect(await tool("wait", { handle })).toEqual({ pending: true, handle });
  expect(await lock({ op: "release", actor: first.actor })).toEqual({ released: true });
  const second = await tool("wait", { handle });
  expect(second).toEqual({ token: 2, actor: expect.stringMatching(/^A\d+-/) });
  // Asked again it is the same answer, and no second hold.
  expect(await tool("wait", { handle })).toEqual(second);
  const more = await tool("lock", { run, name: "m", op: "acquire", actor: second.actor });
  expect(more).toEqual({ token: 1, actor: second.actor });
  const sem = (args: object) => tool("semaphore", { run, name: "s", ...args });
  expect(await sem({ op: "create", permits: 2 })).toEqual({ permits: 2 });
  const held = await sem({ op: "acquire", permits: 2 });
  expect(held).toEqual({ permits: 2, actor: expect.any(String) });
  expect(await sem({ op: "release", permits: 2, actor: held.actor })).toEqual({ released: 2 });
});

test("what only waits takes a session for as long as it waits, and what need not wait none", async () => {
  const run = await newRun();
  const queue = (args: object, sent?: Message) => tool("message_queue", { run, name: "q", ...args }, sent);
  expect(await queue({ op: "push", messages: [1] })).toEqual({ pushed: true });
  expect(await queue({ op: "pop" })).toEqual({ messages: [1] });
  expect(await actors(run)).toEqual([]);
  const { handle } = await queue({ op: "pop" });
  expect(await actors(run)).toMatchObject([{ name: "MCP", ttl_ms: mcpWaiterMs, waiting_on: { variables: ["q"] } }]);
  expect(await queue({ op: "push", messages: [2] })).toEqual({ pushed: true });
  expect(await tool("wait", { handle })).toEqual({ messages: [2] });
  // [I3] The answer may have got lost on its way: it was taken from the queue, and is there for whoever has the handle.
  expect(await queue({ op: "push", messages: [3] })).toEqual({ pushed: true });
  expect(await tool("wait", { handle })).toEqual({ messages: [2] });
  expect(await actors(run)).toMatchObject([{ ttl_ms: mcpWaiterMs, waiting_on: null }]);
  expect(await queue({ op: "pop" })).toEqual({ messages: [3] });
  // Whoever got no handle can't ask again: the session ends with the answer.
  const popped = queue({ op: "pop" }, { waitMs: 30_000 });
  await expect.poll(async () => (await actors(run)).length).toBe(2);
  expect(await queue({ op: "push", messages: [4] })).toEqual({ pushed: true });
  expect(await popped).toEqual({ messages: [4] });
  await expect.poll(async () => (await actors(run)).length).toBe(1);

  const future = await tool("future", { run, name: "f", op: "await" });
  expect(await tool("future", { run, name: "f", op: "resolve", value: { a: 1 } })).toEqual({ resolved: true });
  expect(await tool("wait", { handle: future.handle })).toEqual({ value: { a: 1 } });
  const barrier = { run, name: "b", op: "wait", parties: 2 };
  const [one, two] = [await tool("barrier", barrier), await tool("barrier", barrier, { waitMs: 1000 })];
  expect([two, await tool("wait", { handle: one.handle })]).toEqual([
    { generation: expect.any(Number), index: 1 },
    { generation: two.generation, index: 0 },
  ]);
});

test("[I4] a wait whose arguments are too long for a handle is given up, and nothing of it is done", async () => {
  const run = await newRun();
  const queue = (args: object) => tool("message_queue", { run, name: "q", ...args });
  await queue({ op: "create", capacity: 1 });
  await queue({ op: "push", messages: ["first"] });
  const long = await queue({ op: "push", messages: ["x".repeat(8000)] });
  expect(long.error).toMatchObject({ code: "timed_out" });
  await expect.poll(async () => (await actors(run)).length).toBe(0);
  expect(await queue({ op: "pop", max: 10 })).toEqual({ messages: ["first"] });
  expect(await queue({ op: "size" })).toMatchObject({ size: 0 });
});

test("tasks are awaited by handle, and time out as they say", async () => {
  const run = await newRun();
  const created = await tool("create_task", { run, tasks: [{ key: "t", instructions: "x", pool: "shell" }] });
  expect(created).toMatchObject({ tasks: [{ key: "t" }], projection: { critical_path_tasks: 1 } });
  const late = await tool("await_tasks", { run, tasks: ["t"], timeout_ms: 0 });
  expect(late.error).toMatchObject({ code: "timed_out" });
  // By the handle as in one call: with how the tasks are.
  const short = await tool("await_tasks", { run, tasks: ["t"], timeout_ms: 100 });
  for (let i = 0; i < 2; i++)
    expect((await tool("wait", { handle: short.handle }, { waitMs: 10_000 })).error).toMatchObject({
      ...{ code: "timed_out", tasks: [{ key: "t", state: "ready" }] },
    });
  expect((await tool("await_tasks", { run, tasks: ["none"] })).error).toMatchObject({ code: "unknown_task" });
  const { handle } = await tool("await_tasks", { run, tasks: ["t"] });
  const whole = await tool("wait", { run });
  expect(whole).toMatchObject({ done: false, pending: true, counts: { ready: 1 } });
  expect(await tool("wait", { run, timeout_ms: 1 }, { waitMs: 1000 })).toMatchObject({ done: false });
  const { leases } = await api("POST", "/v1/pools/shell/leases", { worker: "w" });
  await api("POST", `/v1/leases/${leases[0].id}/complete`, { result: { n: 1 } });
  expect(await tool("wait", { handle })).toMatchObject({ tasks: [{ key: "t", state: "succeeded", result: { n: 1 } }] });
  expect(await tool("wait", { handle: whole.handle })).toMatchObject({ done: true, counts: { succeeded: 1 } });
});

test("a lease is its task: no run to name, a wait goes on by handle, and finish ends it", async () => {
  const run = await newRun();
  await tool("create_task", { run, tasks: [{ key: "t", instructions: "x", pool: "leased" }] });
  const { leases } = await api("POST", "/v1/pools/leased/leases", { worker: "w" });
  const lease = { key: leases[0].id as string };
  expect(await tool("lock", { op: "acquire", name: "l" }, lease)).toEqual({ token: 1 });
  expect(await tool("inspect", {}, lease)).toMatchObject({ run, task: leases[0].task.id });
  const child = await tool("create_task", { tasks: [{ key: "c", instructions: "y", pool: "leased" }] }, lease);
  const { handle } = await tool("await_tasks", { tasks: ["c"] }, lease);
  // A handle is the lease's own: it is nothing to a key.
  expect((await tool("wait", { handle })).error).toMatchObject({ code: "bad_arguments" });
  expect((await tool("start_run", {}, lease)).rpc).toMatchObject({ code: -32602 });
  await tool("cancel_task", { task: child.tasks[0].id }, lease);
  expect(await tool("wait", { handle }, lease)).toMatchObject({ tasks: [{ key: "c", state: "cancelled" }] });
  expect(await tool("finish", { result: "done" }, lease)).toEqual({ state: "succeeded" });
  expect((await tool("inspect", {}, lease)).error).toMatchObject({ code: "lease_lost" });
  expect(await tool("inspect", { run, task: "t" })).toMatchObject({ result: "done" });
});

test("a lease reaches no further than its task's run, whoever has it, and no longer than its task", async () => {
  const [run, other] = [await newRun(), await newRun()];
  const foreign = await newRun((await newKey(await newTenant())).key);
  for (const of of [run, other])
    await tool("create_task", { run: of, tasks: [{ key: "t", instructions: "x", pool: `reach-${of.slice(4, 12)}` }] });
  const leaseOf = async (of: string): Promise<Message> => {
    const { leases } = await api("POST", `/v1/pools/reach-${of.slice(4, 12)}/leases`, { worker: "w" });
    return { key: leases[0].id as string };
  };
  const [lease, beside] = [await leaseOf(run), await leaseOf(other)];
  const before = await api("GET", `/v1/runs/${other}/events`);
  for (const of of [other, foreign])
    for (const [name, args] of [
      ["inspect", {}],
      ["create_task", { tasks: [{ instructions: "y" }] }],
      ["cancel_task", { task: "t" }],
      ["atomic", { op: "set", name: "n", value: 1 }],
      ["finish", { result: "from elsewhere" }],
    ] as const)
      expect((await tool(name, { run: of, ...args }, lease)).error, name).toMatchObject({ code: "bad_arguments" });
  // Nothing of the key's: neither its tools nor its resources, also where `tools` of the address names them.
  for (const name of ["start_run", "list_runs"]) expect((await tool(name, {}, lease)).rpc.code).toBe(-32602);
  expect((await tool("wait", { run: other }, lease)).error).toMatchObject({ code: "bad_arguments" });
  for (const [method, params] of [
    ["resources/list", {}],
    ["resources/read", { uri: `heddle://runs/${run}` }],
  ] as const)
    expect((await rpc(method, params, lease)).error, method).toMatchObject({ code: -32601 });
  // Handles of a key's, and of another lease's wait: that is read as the bearer's own.
  const keys = await tool("message_queue", { run, name: "q", op: "pop" });
  expect((await tool("wait", { handle: keys.handle }, lease)).error).toMatchObject({ code: "bad_arguments" });
  const theirs = await tool("message_queue", { name: "q", op: "pop" }, beside);
  await tool("message_queue", { run: other, name: "q", op: "push", messages: ["for the other"] });
  expect(JSON.stringify(await tool("wait", { handle: theirs.handle }, lease))).not.toContain("for the other");
  expect(await tool("wait", { handle: theirs.handle }, beside)).toEqual({ messages: ["for the other"] });
  // As a key it is none, and its requests of the API stay its own.
  expect((await api("GET", `/v1/runs/${run}`, undefined, lease.key)).code).toBe("unauthorized");
  expect((await api("POST", `/v1/runs/${run}/tools/inspect`, {}, lease.key)).code).toBe("unauthorized");

  await tool("finish", { result: "done" }, lease);
  for (const name of ["inspect", "message_queue", "create_task"]) {
    const args =
      { message_queue: { name: "q", op: "size" }, create_task: { tasks: [{ instructions: "y" }] } }[name] ?? {};
    expect((await tool(name, args, lease)).error, name).toMatchObject({ code: "lease_lost" });
  }
  expect((await tool("wait", { handle: theirs.handle }, lease)).error).toMatchObject({ code: "lease_lost" });
  const after = await api("GET", `/v1/runs/${other}/events`);
  expect(after.events.slice(0, before.events.length)).toEqual(before.events);
  expect(after.events.filter(({ type }: { type: string }) => type === "task_created")).toHaveLength(1);
});

test("a client that takes durable tasks gets one, polls it, and can cancel it", async () => {
  const run = await newRun();
  const pop = { run, name: "q", op: "pop" };
  const started = await tool("message_queue", pop, tasks);
  expect(isCreateTaskResultV2(started), JSON.stringify(started)).toBe(true);
  const { taskId } = started;
  const look = async (id = taskId, sent: Message = tasks) => rpc("tasks/get", { taskId: id }, sent);
  const working = (await look()).result;
  expect(isDetailedTaskV2(working)).toBe(true);
  expect(working).toMatchObject({ status: "working", resultType: "complete", pollIntervalMs: expect.any(Number) });
  expect((await rpc("tasks/update", { taskId, inputResponses: {} }, tasks)).result).toMatchObject({
    resultType: "complete",
  });
  await tool("message_queue", { run, name: "q", op: "push", messages: ["m"] });
  const completed = (await look()).result;
  expect(isDetailedTaskV2(completed)).toBe(true);
  expect(completed).toMatchObject({
    status: "completed",
    result: { structuredContent: { messages: ["m"] }, resultType: "complete" },
  });
  // Looked at again it is what it was.
  expect((await look()).result).toMatchObject({
    status: "completed",
    result: { structuredContent: { messages: ["m"] }, resultType: "complete" },
  });

  // A cancelled one takes nothing any more.
  const second = (await tool("message_queue", pop, tasks)).taskId;
  expect((await rpc("tasks/cancel", { taskId: second }, tasks)).result).toMatchObject({ resultType: "complete" });
  await tool("message_queue", { run, name: "q", op: "push", messages: ["n"] });
  expect(await tool("message_queue", { run, name: "q", op: "size" })).toMatchObject({ size: 1 });
  expect((await look(second)).error).toMatchObject({ code: -32602 });

  // What is there at once needs no task, and who did not say that they take one gets none, nor may look.
  expect(await tool("message_queue", pop, tasks)).toEqual({ messages: ["n"] });
  expect(await tool("message_queue", pop, { modern: {} })).toMatchObject({ pending: true });
  expect((await look(taskId, { modern: {} })).error).toMatchObject({ code: -32021 });
  expect((await look("wait_nothing")).error).toMatchObject({ code: -32602 });
  expect((await look(taskId, {})).error).toMatchObject({ code: -32601 });
});

test("a cancelled request of a 2025 client takes nothing, and nobody else's word cancels it", async () => {
  const run = await newRun();
  const hello = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "old", version: "1" } };
  const response = await message("initialize", hello, {});
  const session = response.headers.get("mcp-session-id")!;
  await response.text();
  const popping = tool("message_queue", { run, name: "q", op: "pop" }, { session, id: 7, waitMs: 20_000 });
  await expect.poll(async () => (await actors(run)).length).toBe(1);
  const cancelled = (sent: Message, requestId = 7) => message("notifications/cancelled", { requestId }, { ...sent });
  for (const other of [
    cancelled({}),
    cancelled({ session: "another" }),
    cancelled({ session, key: "hdl_b" }),
    cancelled({ session }, 8),
  ])
    await (await other).text();
  expect((await actors(run)).length).toBe(1);
  await (await cancelled({ session })).text();
  await expect.poll(async () => (await actors(run)).length).toBe(0);
  await popping;
  await tool("message_queue", { run, name: "q", op: "push", messages: [1] });
  expect(await tool("message_queue", { run, name: "q", op: "size" })).toMatchObject({ size: 1 });
});

test("another tenant finds nothing, whatever they have learnt", async () => {
  const run = await newRun();
  const b = { key: "hdl_b" };
  await tool("create_task", { run, tasks: [{ key: "t", instructions: "secret", pool: "p" }] });
  const { actor } = await tool("lock", { run, name: "l", op: "acquire" });
  const pop = await tool("message_queue", { run, name: "q", op: "pop" });
  const awaiting = await tool("await_tasks", { run, tasks: ["t"] });
  const whole = await tool("wait", { run });
  const before = await api("GET", `/v1/runs/${run}/events`);

  const calls: [string, object][] = [
    ["inspect", {}],
    ["inspect", { task: "t" }],
    ["create_task", { tasks: [{ instructions: "x" }] }],
    ["await_tasks", { tasks: ["t"] }],
    ["cancel_task", { task: "t" }],
    ["lock", { name: "l", op: "acquire" }],
    ["lock", { name: "l", op: "release", actor }],
    ["semaphore", { name: "s", op: "acquire", actor }],
    ["barrier", { name: "b", op: "wait", parties: 1 }],
    ["message_queue", { name: "q", op: "push", messages: ["from b"] }],
    ["future", { name: "f", op: "peek" }],
    ["atomic", { name: "a", op: "set", value: 1 }],
    ["shared_memory", { name: "m", op: "write", text: "b was here" }],
    ["wait", {}],
  ];
  for (const sent of [b, { ...b, ...tasks }])
    for (const [name, args] of calls)
      expect((await tool(name, { run, ...args }, sent)).error, `${name} ${JSON.stringify(args)}`).toMatchObject({
        code: "not_found",
      });
  for (const { handle } of [pop, awaiting, whole]) {
    expect((await tool("wait", { handle }, b)).error).toMatchObject({ code: "not_found" });
    expect((await rpc("tasks/get", { taskId: handle }, { ...b, ...tasks })).error).toMatchObject({ code: -32602 });
    await rpc("tasks/cancel", { taskId: handle }, { ...b, ...tasks });
  }
  for (const path of ["", "/findings", "/timeline", "/tasks", "/tasks/t"])
    for (const sent of [b, { ...b, modern: {} }])
      expect((await rpc("resources/read", { uri: `heddle://runs/${run}${path}` }, sent)).error.message).toContain(
        "not found",
      );
  // An address that tries to leave its place names no run.
  for (const uri of [`heddle://runs/${run}%2F..%2F${run}`, "heddle://runs/..%2Fadmin", "heddle://runs/%2e%2e/tasks"])
    expect((await rpc("resources/read", { uri }, b)).error).toBeDefined();
  expect(await tool("list_runs", {}, b)).toEqual({ runs: [], next_cursor: null });
  expect((await rpc("resources/list", {}, b)).result.resources).toEqual([]);

  expect(await api("GET", `/v1/runs/${run}/events`)).toEqual(before);
  expect((await actors(run)).map(({ id }: { id: string }) => id)).toContain(actor);
  await tool("message_queue", { run, name: "q", op: "push", messages: ["from a"] });
  expect(await tool("wait", { handle: pop.handle })).toEqual({ messages: ["from a"] });
});

test("resources: listed in pages, read as the API answers", async () => {
  const key = "hdl_a";
  const run = await newRun(key);
  await tool("create_task", { run, tasks: [{ key: "t", instructions: "x", pool: "p" }] });
  const listed = (await rpc("resources/list", {})).result.resources as { uri: string }[];
  expect(listed.map(({ uri }) => uri)).toContain(`heddle://runs/${run}`);
  const read = async (path: string) =>
    (await rpc("resources/read", { uri: `heddle://runs/${run}${path}` })).result.contents[0];
  for (const [path, route] of [
    ["", ""],
    ["/findings", "/findings"],
    ["/tasks?limit=1", "/tasks?limit=1"],
    ["/tasks/t", "/tasks/t"],
  ] as const) {
    const { mimeType, text } = await read(path);
    expect([mimeType, JSON.parse(text)]).toEqual(["application/json", await api("GET", `/v1/runs/${run}${route}`)]);
  }
  expect(await read("/timeline")).toMatchObject({ mimeType: "text/csv", text: expect.stringMatching(/^task,key,/) });
  expect((await rpc("resources/read", { uri: `heddle://runs/${run}/tasks?limit=0` })).error).toMatchObject({
    code: -32602,
    data: { code: "validation_failed", errors: [{ path: "limit" }] },
  });
});

test("[I2] too many requests end no wait: its session stays, and the next look finds it", async () => {
  const tenant = await newTenant("busy");
  const { key } = await newKey(tenant);
  const run = await newRun(key);
  const queue = (args: object) => tool("message_queue", { run, name: "q", ...args }, { key });
  const { handle } = await queue({ op: "pop" });
  const bound = async (perSecond: number) =>
    send("PUT", `/admin/tenants/${tenant}/quotas`, { json: { requests_per_second: perSecond } });
  await bound(1);
  for (let i = 0; i < rateBurstS; i++) await tool("list_runs", {}, { key });
  expect((await tool("wait", { handle }, { key })).error).toMatchObject({ code: "quota_exceeded", retryable: true });
  expect((await rpc("tasks/get", { taskId: handle }, { key, ...tasks })).error).toMatchObject({ code: -32603 });
  await bound(1000);
  expect(await queue({ op: "push", messages: ["m"] })).toEqual({ pushed: true });
  expect(await tool("wait", { handle }, { key })).toEqual({ messages: ["m"] });
});

test("keys of the database: quotas count a call once, and a revoked one is refused at once", async () => {
  const tenant = await newTenant("counted");
  await send("PUT", `/admin/tenants/${tenant}/quotas`, { json: { requests_per_second: 1 } });
  const { id, key } = await newKey(tenant);
  const codes: unknown[] = [];
  for (let i = 0; i <= rateBurstS; i++) codes.push((await tool("list_runs", {}, { key })).error?.code);
  expect(codes).toEqual([...Array(rateBurstS).fill(undefined), "quota_exceeded"]);
  expect((await message("ping", {}, { key })).status).toBe(429);
  await send("DELETE", `/admin/tenants/${tenant}/keys/${id}`);
  expect((await message("ping", {}, { key })).status).toBe(401);
});

test("of a long name or address that is nothing's a piece is told", async () => {
  const long = "k".repeat(100_000);
  for (const [method, params] of [
    ["prompts/get", { name: long }],
    ["resources/read", { uri: `heddle://${long}` }],
    ["tools/call", { name: long, arguments: {} }],
  ] as const) {
    const { error } = await rpc(method, params);
    expect(error.message).toContain("k".repeat(50));
    expect(JSON.stringify(error).length).toBeLessThan(2000);
  }
});

test("what only JSON can name is not there, or no name, and no fault of Heddle's", async () => {
  const half = "\ud800";
  expect(await tool("atomic", { run: half, op: "get", name: "n" })).toMatchObject({ error: { code: "not_found" } });
  expect(await tool("wait", { run: half })).toMatchObject({ error: { code: "not_found" } });
  expect(await rpc("resources/read", { uri: `heddle://runs/${half}` })).toMatchObject({ error: { code: -32602 } });
  const made = JSON.stringify({ of: "tasks", run: await newRun(), since: 1, until: 2, args: "x" });
  const handle = `wait_${Buffer.from(made).toString("base64url")}`;
  expect(await tool("wait", { handle })).toMatchObject({ error: { code: "bad_arguments" } });
});
