/** A reply with several parallel tool calls forks rightly, in both vendors' formats, driven by their official SDKs. */

import { describe, expect, it } from "vitest";
import { toolCalls } from "../../src/context/calls.ts";
import { driveLoop, type LoopCall } from "./lib/parent-loop.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, says } from "./lib/sim.ts";
import { contextOf, expectFork } from "./lib/transcripts.ts";

const server = sharedServer();

const leaf = (text: string) => says(text, { latency_ms: 20 });
const branch = plays([
  {
    text: "Splitting fürther, é.",
    calls: [
      { tool: "create_task", arguments: { key: "x", instructions: leaf("x is done") } },
      { tool: "read_file", arguments: { path: "a.txt" } },
      { tool: "inspect", arguments: {} },
      {
        tool: "create_task",
        arguments: {
          tasks: [
            { key: "y", instructions: leaf("y is done") },
            { key: "z", instructions: leaf("z is done"), after: ["x"] },
          ],
        },
      },
    ],
  },
  { calls: [{ tool: "await_tasks", arguments: { tasks: ["x", "y", "z"] } }] },
  { text: "{{2.0.tasks.0.result}}, {{2.0.tasks.1.result}}, {{2.0.tasks.2.result}}" },
]);
const prompt = plays([
  {
    text: "Café: I split it.",
    calls: [
      { tool: "create_task", arguments: { key: "left", title: "Left", instructions: branch } },
      { tool: "read_file", arguments: { path: "README.md" } },
      { tool: "create_task", arguments: { key: "right", instructions: leaf("right is done") } },
    ],
  },
  { calls: [{ tool: "await_tasks", arguments: { tasks: ["{{1.2.tasks.0.id}}", "left"] } }] },
  { text: "right: {{2.0.tasks.0.result}}; left: {{2.0.tasks.1.result}}" },
]);

describe.each(["anthropic", "openai"] as const)("a parent loop on the %s SDK", (format) => {
  it.each(["since_start", "since_head"] as const)("forks at each call, and the forks fork (%s)", async (sends) => {
    const { run, texts, replies, final } = await driveLoop(server, format, prompt, sends);
    expect(final).toBe("right: right is done; left: x is done, y is done, z is done");

    // One reply with three calls, one with the wait.
    expect(replies.map(({ calls }) => calls.map(({ name }) => name))).toEqual([
      ["create_task", "read_file", "create_task"],
      ["await_tasks"],
    ]);
    const { at, calls } = replies[0]!;
    const [left, , right] = calls as [LoopCall, LoopCall, LoopCall];
    const parent = { base: texts.slice(0, at), reply: texts[at]! };
    const leftId = left.outcome.result.tasks[0].id as string;
    const rightId = right.outcome.result.tasks[0].id as string;
    const awaited = replies[1]!.calls[0]!.outcome.result.tasks;
    expect(awaited).toMatchObject([
      { id: rightId, key: "right", state: "succeeded", result: "right is done" },
      { id: leftId, key: "left", state: "succeeded" },
    ]);

    const rightContext = await contextOf(server, run, rightId);
    const rightOwn = expectFork(rightContext, {
      ...parent,
      call: right.id,
      task: rightId,
      instructions: leaf("right is done"),
    });
    expect(rightOwn).toHaveLength(1); // its only reply

    const leftContext = await contextOf(server, run, leftId);
    const leftOwn = expectFork(leftContext, { ...parent, call: left.id, task: leftId, instructions: branch });

    // The hosted fork's first reply forks again: its children stand on its own transcript.
    const reply = leftOwn[0]!;
    const base = leftContext.messages.slice(0, leftContext.messages.indexOf(reply));
    const ids = toolCalls(format, reply).map(({ id }) => id);
    const { tasks } = await server.heddle.listTasks(run);
    const byKey = new Map(tasks.map((task) => [task.key, task]));
    expect(tasks.map(({ key, state, attempts }) => ({ key, state, attempts }))).toEqual(
      expect.arrayContaining([
        { key: "x", state: "succeeded", attempts: 1 },
        { key: "y", state: "succeeded", attempts: 1 },
        { key: "z", state: "succeeded", attempts: 1 },
      ]),
    );
    expect(tasks).toHaveLength(5);
    for (const [key, call] of [["x", 0] as const, ["y", 3] as const]) {
      const task = byKey.get(key)!;
      expect(task).toMatchObject({ parent: leftId, depth: 2 });
      const context = await contextOf(server, run, task.id);
      const own = { base, reply, call: ids[call]!, task: task.id, instructions: leaf(`${key} is done`) };
      expect(expectFork(context, own)).toHaveLength(1);
    }

    // Two tasks of one call differ only in the last text, and the one with a dependency has its result there.
    const y = await contextOf(server, run, byKey.get("y")!.id);
    const z = await contextOf(server, run, byKey.get("z")!.id);
    const forkEnd = y.messages.length - 1;
    expect(z.messages.slice(0, forkEnd - 1)).toEqual(y.messages.slice(0, forkEnd - 1));
    const common = format === "anthropic" ? y.messages[forkEnd - 1]!.lastIndexOf("you are task") : 0;
    expect(z.messages[forkEnd - 1]!.slice(0, common)).toBe(y.messages[forkEnd - 1]!.slice(0, common));
    expect(z.messages[forkEnd - 1]).toContain('<result of=\\"x\\">x is done</result>');

    // A tool of the inherited context that nobody declares is told so; the other calls of that reply are not harmed.
    expect(leftContext.text.split("unknown_tool")).toHaveLength(2);
  });
});
