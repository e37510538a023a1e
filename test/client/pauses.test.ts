/** A run that is paused keeps whoever waits waiting: they are told, and may be thrown out. */

import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { Heddle, type Pause, RunPaused } from "../../src/client/index.ts";
import { pauseLookMs, waitMsMax, waitTasksMax } from "../../src/limits.ts";
import { TestServer } from "../cli/lib/contract-server.ts";

/** Of each poll, one after another: why the run is paused then; undefined: it is not. Then all is done. */
let pauses: (string | undefined)[] = [];
const done = (id: string) => ({ id, state: "succeeded", result: id, timings: {} });
const server = new TestServer(({ body }) => {
  const tasks = ((body.tasks as string[] | undefined) ?? []).map(done);
  if (pauses.length === 0) return { status: 200, body: { done: true, tasks } };
  const paused = pauses.shift();
  return { status: 200, body: { done: false, tasks: [], ...(paused !== undefined && { paused }) } };
});
beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  server.calls.length = 0;
});
const run = () => new Heddle({ url: server.url, key: "hdl_k", retryMs: 0 }).runs.get("run_1");
const polled = () => server.calls.map(({ body }) => body.timeout_ms);

it("a wait says each pause once and goes on; it polls so often that nobody hears of it a minute late", async () => {
  const seen: Pause[] = [];
  const onPaused = (pause: Pause) => seen.push(pause);
  pauses = [undefined, "budget", "budget", undefined, "asked"];
  expect(await run().tasks.get("a").result({ onPaused })).toBe("a");
  expect(seen.map(({ reason }) => reason)).toEqual(["budget", "asked"]);
  expect(seen[0]).toEqual({ run: "run_1", reason: "budget", hint: expect.stringContaining("run.setBudget(") });
  expect(seen[1]!.hint).toContain("run.resume()");
  expect(polled()).toEqual([0, ...Array<number>(5).fill(pauseLookMs)]);
});

it("without a wish it goes on as ever", async () => {
  pauses = ["budget"];
  expect(await run().tasks.all(["a", "b"])).toEqual(["a", "b"]);
  expect(polled()).toEqual([waitMsMax, waitMsMax]);
});

it.each<[string, (wait: { whenPaused: "throw" }) => Promise<unknown>]>([
  ["result", (wait) => run().tasks.get("a").result(wait)],
  ["settled of a task", (wait) => run().tasks.get("a").settled(wait)],
  ["all", (wait) => run().tasks.all(["a"], wait)],
  ["any", (wait) => run().tasks.any(["a"], wait)],
  ["settled of tasks", (wait) => run().tasks.settled(["a"], wait)],
  ["settled of the run", (wait) => run().settled(wait)],
])("%s ends with RunPaused where that is asked for", async (_, wait) => {
  pauses = ["rule"];
  const error = await wait({ whenPaused: "throw" }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RunPaused);
  expect(error).toMatchObject({ run: "run_1", reason: "rule", hint: expect.stringContaining("run.rules()") });
  expect((error as Error).message).toMatch(/^run run_1 is paused \(rule\): .*run\.resume\(\)/);
});

it("what has ended in spite of a pause is no RunPaused", async () => {
  pauses = [];
  expect(await run().tasks.get("a").result({ whenPaused: "throw" })).toBe("a");
});

it("a wait of many parts says a pause once", async () => {
  const names = Array.from({ length: 3 * waitTasksMax }, (_, n) => `t${n}`);
  pauses = Array<string>(6).fill("quota");
  const seen: string[] = [];
  expect(await run().tasks.all(names, { onPaused: ({ reason }) => seen.push(reason) })).toEqual(names);
  expect(seen).toEqual(["quota"]);
});

it("of a wait of many parts one looks for pauses, whichever part is left; the others poll as ever", async () => {
  const names = Array.from({ length: 3 * waitTasksMax }, (_, n) => `t${n}`);
  const [first, second, third] = [0, 1, 2].map((n) => names[n * waitTasksMax]!);
  /** What the looks at each part are told, until it is done. */
  const told: Record<string, (string | undefined)[]> = {
    [first!]: ["quota", "quota"],
    [second!]: [],
    [third!]: ["quota", undefined, "asked"],
  };
  const waits: (() => void)[] = [];
  const usual = server.handler;
  server.handler = async ({ body }) => {
    const [name, ...rest] = body.tasks as string[];
    const paused = told[name!]!;
    const answer = { status: 200, body: { done: true, tasks: [name!, ...rest].map(done) } };
    if (body.timeout_ms === waitMsMax) await new Promise<void>((resolve) => waits.push(resolve));
    else if (paused.length > 0) {
      const why = paused.shift();
      return { status: 200, body: { done: false, tasks: [], ...(why !== undefined && { paused: why }) } };
    } else if (name === third) for (const end of waits) end();
    return answer;
  };
  try {
    const seen: string[] = [];
    expect(await run().tasks.all(names, { onPaused: ({ reason }) => seen.push(reason) })).toEqual(names);
    expect(seen).toEqual(["quota", "asked"]);
    expect(polled().filter((ms) => ms === waitMsMax)).toHaveLength(3);
    expect(polled().filter((ms) => ms !== waitMsMax)).toEqual([0, ...Array<number>(7).fill(pauseLookMs)]);
  } finally {
    server.handler = usual;
  }
});

it("a wait of many parts ends with RunPaused, and no part polls on", async () => {
  const names = Array.from({ length: 2 * waitTasksMax }, (_, n) => `t${n}`);
  pauses = Array<string>(4).fill("rule");
  await expect(run().tasks.settled(names, { whenPaused: "throw" })).rejects.toBeInstanceOf(RunPaused);
  const { length } = server.calls;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(server.calls).toHaveLength(length);
});

it("what onPaused throws ends the wait", async () => {
  pauses = ["asked"];
  const onPaused = () => {
    throw new Error("not now");
  };
  await expect(run().tasks.get("a").result({ onPaused })).rejects.toThrow("not now");
});
