/** The client, and an agent's loop, in the Workers runtime: against the door and the objects of this same Worker. */

import { env, runInDurableObject } from "cloudflare:test";
import { expect, expectTypeOf, it } from "vitest";
import {
  Heddle,
  HeddleProblem,
  isProblem,
  type QuestionView,
  type QuestionWait,
  type Task,
} from "../../../src/client/index.ts";
import { createApp } from "../../../src/http/app.ts";
import type { HttpEnv } from "../../../src/http/env.ts";
import { type AgentWithSql, agentLoop } from "../../../src/loops/agents.ts";

const bindings = env as unknown as HttpEnv;
const app = createApp({
  hosts: ["heddle.test"],
  localKeys: { keys: [{ key: "hdl_sdk", tenant: "ten_sdk", scopes: ["runs", "workers"] }], operatorSecret: "operate" },
});
const heddle = new Heddle({
  url: "http://heddle.test",
  key: "hdl_sdk",
  fetch: async (url, init) => app.request(String(url), init, bindings),
});

it("has a fetch that the runtime lets it call", async () => {
  // What answers there is no Heddle, and that it says so shows that it was asked.
  const error = await new Heddle({ url: "http://simulated.test", retryMs: 0 }).health().catch((caught) => caught);
  expect(error).toBeInstanceOf(HeddleProblem);
});

it("works with runs, forks, locks and messages", async () => {
  await using run = await heddle.runs.create({ context: { messages: [{ role: "user", content: "x" }] } });
  const here = await run.fork([
    { role: "user", content: "x" },
    { role: "assistant", content: "y" },
  ]);
  expect((await run.view()).snapshot).toBe(here.snapshot);
  const task = await here.tasks.create({ key: "t", pool: "elsewhere", instructions: "z" }).catch((error) => error);
  expect(task).toMatchObject({ key: "t" });
  const counted = run.lock("l").with(async ({ fence }) => run.map("m").increment("n", 2, { fence }));
  expect(await counted).toBe(2);
  const popped = run.queue<number>("q").take();
  await run.queue<number>("q").push([7]);
  expect(await popped).toBe(7);
  await task.cancel("enough");
  expect(await run.tasks.settled([task])).toMatchObject([{ state: "cancelled", error: { code: "cancelled" } }]);
  await expect(run.map("m").set("n", 1, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  const nobody = await heddle.runs
    .get("run_0")
    .view()
    .catch((error) => error);
  expect(isProblem(nobody, "not_found")).toBe(true);
});

it("creates many tasks in batches that the door takes, also those that name later ones", async () => {
  await using run = await heddle.runs.create({ limits: { pools: ["nobody"] } });
  const specs = Array.from({ length: 400 }, (_, i) => ({
    ...{ key: `t${i}`, pool: "nobody", instructions: "x" },
    ...(i < 399 && { after: [`t${i + 1}`] }),
  }));
  const tasks = await run.tasks.createMany(specs, { idempotencyKey: "many" });
  expect(tasks.map(({ key }) => key)).toEqual(specs.map(({ key }) => key));
  const again = await run.tasks.createMany(specs, { idempotencyKey: "many" });
  expect(again.map(({ id }) => id)).toEqual(tasks.map(({ id }) => id));
  expect((await run.view()).counts).toMatchObject({ ready: 1, waiting: 399 });
});

it("creates many tasks on one snapshot, wherever the head goes meanwhile, also when all is asked for again", async () => {
  await using run = await heddle.runs.create({ limits: { pools: ["nobody"] } });
  const { snapshot: head } = await run.view();
  const busy = new Heddle({
    ...{ url: "http://heddle.test", key: "hdl_sdk" },
    fetch: async (url, init) => {
      const response = await app.request(String(url), init, bindings);
      await run.fork([{ role: "user", content: `after ${new Headers(init?.headers).get("idempotency-key")}` }]);
      return response;
    },
  });
  const specs = Array.from({ length: 300 }, (_, i) => ({ key: `t${i}`, pool: "nobody", instructions: "x" }));
  const made: Task[][] = [];
  for (const _ of ["once", "again"])
    made.push(await busy.runs.get(run.id).tasks.createMany(specs, { idempotencyKey: "one-place" }));
  expect(made[1]!.map(({ id }) => id)).toEqual(made[0]!.map(({ id }) => id));
  const forks = await Promise.all([0, 299].map(async (i) => (await made[0]![i]!.view()).fork.snapshot));
  expect(forks).toEqual([head, head]);
  const { created } = await run.tasks.create([{ pool: "nobody", instructions: "x" }]);
  expect([created.snapshot, created.snapshot === head]).toEqual([(await run.view()).snapshot, false]);
});

it("finds what is asked, and answers it", async () => {
  await using run = await heddle.runs.create({ limits: { pools: ["asking"], stall_ms: 3600_000 } });
  await run.tasks.create([1, 2, 3].map((n) => ({ key: `t${n}`, pool: "asking", instructions: "x" })));
  const leases = await heddle.lease("asking", { worker: "w", max: 3 });
  const asks = (n: number, name: string) =>
    heddle.callLeaseTool(leases[n]!.id, "future", {
      ...{ arguments: { op: "await", name, ask: `Which ${name}?` }, call_id: "c", wait_ms: 0 },
    });
  await asks(0, "colour");
  await asks(1, "size");
  const open = async (query?: { tasks: string[] }) => {
    const all: QuestionView[] = [];
    for await (const question of run.questions.open(query)) all.push(question);
    return all;
  };
  const [colour, size] = (await open()) as [QuestionView & QuestionWait, QuestionView & QuestionWait];
  expect([colour.ask, size.ask]).toEqual(["Which colour?", "Which size?"]);
  expect(await open({ tasks: ["t2", "t3"] })).toEqual([size]);
  const firstPage = await heddle.questions(run.id, { limit: 1 });
  expect([firstPage.questions, firstPage.next_cursor !== null]).toEqual([[colour], true]);
  expect(await run.questions.answer(colour, { red: 1 })).toEqual({ id: colour.id, action: "answer", open: false });
  expect(await asks(0, "colour")).toEqual({ result: { value: { red: 1 } } });
  const late = await run.questions.decline(colour.id).catch((error) => error);
  expect(isProblem(late, "question_closed")).toBe(true);
  await run.questions.decline(size, { reason: "None." });
  expect(await run.future("size").peek()).toMatchObject({
    state: "rejected",
    error: { code: "declined", message: "None." },
  });

  for (const n of [0, 1, 2])
    await heddle.callLeaseTool(leases[n]!.id, "message_queue", {
      ...{ arguments: { op: "pop", name: "q" }, call_id: "d", wait_ms: 0 },
    });
  const [stall] = (await open()) as [QuestionView & { kind: "stall" }];
  expect(await run.questions.extend(stall)).toMatchObject({ action: "extend", open: true });
  expect(await run.questions.cancel(stall.waits[2]!, "Enough.")).toMatchObject({ action: "cancel", open: false });
  expect(await heddle.task(run.id, "t3")).toMatchObject({ state: "cancelled", error: { message: "Enough." } });
});

it("an agent finds its run again until that has ended, one for each key", async () => {
  const object = bindings.GATES.getByName("an object with a database");
  await runInDurableObject(object as never, async (_: unknown, { storage }: DurableObjectState) => {
    const agent: AgentWithSql = {
      sql: <Row>(strings: TemplateStringsArray, ...values: (string | number | boolean | null)[]) =>
        storage.sql.exec(strings.join("?"), ...values).toArray() as Row[],
    };
    const first = await agentLoop(agent, heddle, { only: ["create_task", "await_tasks"] });
    expect(Object.keys(first.tools)).toEqual(["create_task", "await_tasks"]);
    const again = await agentLoop(agent, heddle);
    expect(again.run.id).toBe(first.run.id);
    const [other, meanwhile] = await Promise.all([
      agentLoop(agent, heddle, { key: "chat 2" }),
      agentLoop(agent, heddle, { key: "chat 2", only: ["inspect"] }),
    ]);
    expect(other.run.id).not.toBe(first.run.id);
    expect([meanwhile.run.id, Object.keys(meanwhile.tools)]).toEqual([other.run.id, ["inspect"]]);
    await first.finish();
    const next = await agentLoop(agent, heddle);
    expect([first.run.id, other.run.id]).not.toContain(next.run.id);
    await next.run.delete();
    expect((await agentLoop(agent, heddle)).run.id).not.toBe(next.run.id);
  });
});

it("has what an Agent of the Agents SDK has", () => {
  expectTypeOf<import("agents").Agent<Cloudflare.Env>>().toExtend<AgentWithSql>();
});
