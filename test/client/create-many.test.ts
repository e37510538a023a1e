/** Any number of tasks, created batch after batch. */

import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { CreatedInPart, Heddle, HeddleProblem, type NewTask, Task, Tasks } from "../../src/client/index.ts";
import { batchTasksMax, firstBatchTasks } from "../../src/limits.ts";
import { TestServer } from "../cli/lib/contract-server.ts";

type Posted = { tasks: { key: string }[]; from?: string };
/** Of the batches, one after another, what one is refused with. */
let refusals: (object | undefined)[] = [];
const server: TestServer = new TestServer(({ body }) => {
  const refused = refusals.shift();
  if (refused)
    return { status: 422, body: { code: "validation_failed", title: "Invalid", hint: "Fix it.", ...refused } };
  const tasks = (body as unknown as Posted).tasks.map(({ key }) => ({ id: `id-${key}`, key }));
  // Between two batches the head goes on.
  const snapshot = (body as unknown as Posted).from ?? `head-${server.calls.length}`;
  return { status: 201, body: { snapshot, tasks, projection: {}, notes: [] } };
});
beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  server.calls.length = 0;
  refusals = [];
});
const run = () => new Heddle({ url: server.url, key: "hdl_k", retryMs: 0 }).runs.get("run_1");
const specs = (count: number): NewTask[] =>
  Array.from({ length: count }, (_, i) => ({ key: `t${i}`, instructions: "x" }));
const posted = () => server.calls.map(({ body }) => (body as unknown as Posted).tasks);

it("posts a small batch first, and then what a batch takes", async () => {
  const tasks = await run().tasks.createMany<number>(specs(2500));
  expect(posted().map((batch) => batch.length)).toEqual([256, 1000, 1000, 244]);
  expect([firstBatchTasks, batchTasksMax]).toEqual([256, 1000]);
  expect(tasks.map(({ id }) => id)).toEqual(specs(2500).map(({ key }) => `id-${key}`));
});

it("posts few at once, and of none asks nobody", async () => {
  expect(await run().tasks.createMany(specs(3))).toHaveLength(3);
  expect(posted()).toHaveLength(1);
  expect(await run().tasks.createMany([])).toEqual([]);
  expect(posted()).toHaveLength(1);
});

it("answers in argument order, also where tasks are posted after those that they name", async () => {
  const [first, ...others] = specs(300);
  const last = new Task(new Heddle({ url: server.url }), "run_1", "t299");
  const tasks = await run().tasks.createMany([{ ...first!, after: [last, "t298"] }, ...others]);
  expect(
    posted()[0]!
      .slice(0, 3)
      .map(({ key }) => key),
  ).toEqual(["t299", "t298", "t0"]);
  expect(tasks.map(({ key }) => key)).toEqual(specs(300).map(({ key }) => key));
});

it("forks in all batches what the first one forked, so that a repeat asks for the same", async () => {
  const froms = () => server.calls.map(({ body }) => (body as unknown as Posted).from);
  await run().tasks.createMany(specs(1300));
  expect(froms()).toEqual([undefined, "head-1", "head-1"]);
  server.calls.length = 0;
  await new Tasks(new Heddle({ url: server.url }), "run_1", "mine").createMany(specs(300));
  expect(froms()).toEqual(["mine", "mine"]);
});

it("keeps a group in one batch, with its terms", async () => {
  const team = specs(300).map((spec) => ({ ...spec, group: "team" }));
  await run().tasks.createMany([...team, ...specs(400).slice(300)], { groups: { team: { require: 1 } } });
  expect(server.calls.map(({ body }) => [(body as unknown as Posted).tasks.length, body.groups])).toEqual([
    [300, { team: { require: 1 } }],
    [100, {}],
  ]);
});

it("names each batch after the caller's key, so that a repeat of all is the same", async () => {
  await run().tasks.createMany(specs(300), { idempotencyKey: "import-7" });
  expect(server.calls.map(({ headers }) => headers["idempotency-key"])).toEqual(["import-7.0", "import-7.256"]);
});

it("throws the problem of a first batch, with positions in what was given", async () => {
  const backwards = specs(300).map((spec, i) => (i < 299 ? { ...spec, after: [`t${i + 1}`] } : spec));
  refusals = [{ detail: "tasks[1].pool: too long", errors: [{ path: "tasks[1].pool", message: "too long" }] }];
  const error = await run()
    .tasks.createMany(backwards)
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(HeddleProblem);
  expect(error).toMatchObject({
    code: "validation_failed",
    message: "tasks[298].pool: too long",
    errors: [{ path: "tasks[298].pool", message: "too long" }],
  });
});

it("of a later one that is refused says which are there", async () => {
  refusals = [undefined, { detail: "tasks[3].key: twice", errors: [{ path: "tasks[3].key", message: "twice" }] }];
  const error = (await run()
    .tasks.createMany(specs(300))
    .catch((thrown: unknown) => thrown)) as CreatedInPart;
  expect(error).toBeInstanceOf(CreatedInPart);
  expect(error.message).toBe("256 tasks were created, and the next batch was not: tasks[259].key: twice");
  expect(error.tasks.map((task) => task?.id)).toEqual(specs(256).map(({ key }) => `id-${key}`));
  expect(error.cause).toMatchObject({ code: "validation_failed", errors: [{ path: "tasks[259].key" }] });
});

it("ends with an abort's reason, as every call, also after the first batch", async () => {
  const abort = new AbortController();
  const enough = new Error("enough");
  const { handler } = server;
  server.handler = (call) => {
    if (server.calls.length < 2) return handler(call);
    abort.abort(enough);
    return undefined;
  };
  try {
    const creating = run().tasks.createMany(specs(300), { signal: abort.signal });
    expect(await creating.catch((thrown: unknown) => thrown)).toBe(enough);
  } finally {
    server.handler = handler;
  }
});
