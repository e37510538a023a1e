/** Messages to tasks that are under way: they steer them, and none is lost or shown twice, `kill -9` or not. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Format } from "../../src/context/types.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import { LocalServer } from "./lib/server.ts";
import { plays, says } from "./lib/sim.ts";
import { contextOf } from "./lib/transcripts.ts";

let server: LocalServer;

beforeAll(async () => {
  server = await LocalServer.start();
});
afterAll(() => server?.stop());

const newRun = async (format: Format): Promise<string> =>
  (await server.heddle.createRun({ name: "messages", context: { format } })).id;
const running = (run: string, task: string) =>
  until(`${task} runs`, 30_000, async () => (await server.heddle.task(run, task)).state === "running");
const resultOf = async (run: string, task: string): Promise<unknown> => {
  await server.heddle.waitFor(run, { tasks: [task], mode: "settled" });
  return (await server.heddle.task(run, task)).result;
};
const textOf = (message: string): string => {
  const { content } = JSON.parse(message) as { content: unknown };
  return typeof content === "string" ? content : JSON.stringify(content);
};
/** The turns of a task that showed messages, and which. */
const shown = async (run: string, task: string) =>
  eventsOf(await logOf(server, run), "turn", (await server.heddle.task(run, task)).id).flatMap(({ messages, turn }) =>
    messages === undefined ? [] : [{ turn, messages }],
  );

const formats = ["anthropic", "openai"] as const;

describe.concurrent.each(formats)("in the %s format", (format) => {
  it("a task that is about to end goes on with what it is told, in order", async () => {
    const { heddle } = server;
    const run = await newRun(format);
    await heddle.createTasks(run, { tasks: [{ key: "t", instructions: says("first", { latency_ms: 4_000 }) }] });
    await running(run, "t");
    const one = await heddle.sendMessage(run, "t", { content: "also this" });
    const two = await heddle.sendMessage(run, "t", { content: [{ type: "text", text: says("steered") }] });
    expect(await resultOf(run, "t")).toBe("steered");
    expect(await shown(run, "t")).toEqual([{ turn: 2, messages: [one.seq, two.seq] }]);
    const { messages } = await contextOf(server, run, "t");
    expect(messages.slice(-3, -2)).toEqual(['{"role":"user","content":"also this"}']);
    expect(textOf(messages.at(-4)!)).toContain("first");
    await expect(heddle.sendMessage(run, "t", { content: "too late" })).rejects.toMatchObject({ code: "task_ended" });
  });

  it("a parked task is not woken: it reads them after its results, and finish waits for them too", async () => {
    const { heddle } = server;
    const pool = `nursery-${format}`;
    const { id: run } = await heddle.createRun({ context: { format }, limits: { pools: [pool] } });
    const child = { key: "child", pool, instructions: "grow" };
    const turns = [
      { calls: [{ tool: "create_task", arguments: child }] },
      { calls: [{ tool: "await_tasks", arguments: { tasks: ["child"] } }] },
      { latency_ms: 4_000, calls: [{ tool: "finish", arguments: { result: "early" } }] },
      { calls: [{ tool: "finish", arguments: { result: "{{2.0.tasks.0.result}}" } }] },
    ];
    await heddle.createTasks(run, { tasks: [{ key: "parent", instructions: plays(turns) }] });
    await until("it parks", 30_000, async () => (await heddle.task(run, "parent")).state === "parked");
    const first = await heddle.sendMessage(run, "parent", { content: "while you wait" });
    expect(await heddle.task(run, "parent")).toMatchObject({ state: "parked", pending_messages: 1 });
    const [leased] = await heddle.lease(pool, { worker: "w", wait_ms: 20_000 });
    await heddle.complete(leased!.id, { result: "grown" });
    await until("it is back", 30_000, async () => (await heddle.task(run, "parent")).state === "running");
    const second = await heddle.sendMessage(run, "parent", { content: "before you finish" });
    expect(await resultOf(run, "parent")).toBe("grown");
    expect(await shown(run, "parent")).toEqual([
      { turn: 3, messages: [first.seq] },
      { turn: 4, messages: [second.seq] },
    ]);
    const { messages } = await contextOf(server, run, "parent");
    const at = messages.findIndex((message) => textOf(message) === "while you wait");
    expect(messages[at - 1]).toContain("grown");
    expect(messages.find((message) => message.includes("new_messages"))).toBeDefined();
  });
});

/** Begins it in each format, kills the server once for both, and does what is left of it. */
async function overKill(begun: (format: Format) => Promise<() => Promise<void>>): Promise<void> {
  const rest = await Promise.all(formats.map(begun));
  await server.kill();
  await server.start();
  await Promise.all(rest.map((go) => go()));
}

it("in either format a pull worker gets them with its lease and its turns, over kill -9 too; its transcript has them once", async () => {
  const { heddle } = server;
  const begun = async (format: Format) => {
    const pool = `hands-${format}`;
    const { id: run } = await heddle.createRun({ context: { format }, limits: { pools: [pool] } });
    await heddle.createTasks(run, { tasks: [{ key: "t", pool, instructions: "pull" }] });
    await heddle.sendMessage(run, "t", { content: "before" });
    const [lease] = await heddle.lease(pool, { worker: "w", wait_ms: 5000 });
    expect(lease!.messages).toEqual([{ role: "user", content: "before" }]);
    await heddle.sendMessage(run, "t", { content: "meanwhile" });
    expect(await heddle.renewLease(lease!.id)).toMatchObject({ messages: 1 });
    return async () => {
      const turn = await heddle.turn(lease!.id, { messages: [{ role: "assistant", content: "one" }] });
      expect(turn.messages).toEqual([{ role: "user", content: "meanwhile" }]);
      expect(await heddle.renewLease(lease!.id)).not.toHaveProperty("messages");
      expect(await heddle.turn(lease!.id, { messages: [{ role: "assistant", content: "two" }] })).not.toHaveProperty(
        "messages",
      );
      await heddle.complete(lease!.id, { result: "done" });
      const { messages } = await contextOf(server, run, "t");
      expect(messages.slice(1).map(textOf)).toEqual(["before", "one", "meanwhile", "two"]);
    };
  };
  await overKill(begun);
});

it("in either format what was acknowledged outlives kill -9: shown once, by the turn that the restarted server takes", async () => {
  const { heddle } = server;
  const begun = async (format: Format) => {
    const run = await newRun(format);
    await heddle.createTasks(run, {
      tasks: [
        { key: "busy", instructions: says("not this", { latency_ms: 60_000 }) },
        { key: "later", after: ["busy"], instructions: says("not that") },
      ],
    });
    await running(run, "busy");
    const sent = [
      await heddle.sendMessage(run, "busy", { content: "hear me" }),
      await heddle.sendMessage(run, "busy", { content: says("heard") }),
      await heddle.sendMessage(run, "later", { content: says("heard as well") }),
    ].map(({ seq }) => seq);
    return async () => {
      expect(await resultOf(run, "busy")).toBe("heard");
      expect(await resultOf(run, "later")).toBe("heard as well");
      expect(await shown(run, "busy")).toEqual([{ turn: 1, messages: sent.slice(0, 2) }]);
      expect(await shown(run, "later")).toEqual([{ turn: 1, messages: sent.slice(2) }]);
      const { messages } = await contextOf(server, run, "busy");
      expect(messages.filter((message) => textOf(message) === "hear me")).toHaveLength(1);
    };
  };
  await overKill(begun);
});
