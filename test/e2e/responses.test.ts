/** Hosted agents on a model that takes OpenAI's Responses API alone, as its newer ones do where they are to use tools and to reason. */

import { describe, expect, it } from "vitest";
import { eventsOf, logOf } from "./lib/log.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, type SimTurn } from "./lib/sim.ts";
import { contextOf, expectFork } from "./lib/transcripts.ts";

const server = sharedServer();
const { heddle } = server;

const playsNew = (...turns: SimTurn[]): string => plays(turns, undefined, { responses_only: true });
const leaf = (text: string) => playsNew({ calls: [{ tool: "inspect", arguments: {} }] }, { text });

describe("a model that takes the Responses API alone", () => {
  it("forks, waits, repairs its output and ends as any other, with its reasoning from reply to reply", async () => {
    const root = playsNew(
      {
        text: "I split it.",
        calls: [
          { tool: "create_task", arguments: { key: "left", instructions: leaf("left is done") } },
          { tool: "create_task", arguments: { key: "right", instructions: leaf("right is done"), after: ["left"] } },
        ],
      },
      { calls: [{ tool: "await_tasks", arguments: { tasks: ["left", "right"] } }] },
      { text: "not JSON" },
      { text: '{"both":"{{2.0.tasks.0.result}}, {{2.0.tasks.1.result}}"}' },
    );
    const { id } = await heddle.createRun({
      context: { format: "openai", model: "new-1", messages: [{ role: "user", content: "Begin." }] },
      root: { key: "root", instructions: root, output_schema: { type: "object", required: ["both"] } },
    });
    await heddle.waitFor(id, { mode: "settled" });
    const { tasks } = await heddle.listTasks(id);
    const byKey = new Map(tasks.map((task) => [task.key, task]));
    const top = byKey.get("root")!;
    expect(top).toMatchObject({ state: "succeeded", result: { both: "left is done, right is done" }, turns: 4 });
    // The refusal of chat completions is no attempt of anybody's; to wait for its children ends one.
    expect(tasks.map(({ attempts }) => attempts)).toEqual([2, 1, 1]);
    expect(eventsOf(await logOf(server, id), "attempt_ended")).toEqual([]);

    const { messages } = await contextOf(server, id, top.id);
    const replies = messages.filter((message) => JSON.parse(message).role === "assistant");
    expect(replies).toHaveLength(4);
    for (const reply of replies)
      expect(JSON.parse(reply).response_items[0]).toMatchObject({
        type: "reasoning",
        encrypted_content: expect.stringMatching(/./),
      });
    const at = messages.indexOf(replies[0]!);
    const [first] = JSON.parse(replies[0]!).tool_calls as { id: string }[];
    const left = byKey.get("left")!;
    const fork = { base: messages.slice(0, at), reply: replies[0]!, call: first!.id, task: left.id };
    expectFork(await contextOf(server, id, left.id), { ...fork, instructions: leaf("left is done") });
  });

  it("is asked without reasoning of another model's where a task names its own", async () => {
    const root = playsNew(
      {
        calls: [
          { tool: "create_task", arguments: { key: "other", model: "new-2", instructions: leaf("other is done") } },
        ],
      },
      { calls: [{ tool: "await_tasks", arguments: { tasks: ["other"] } }] },
      { text: "{{2.0.tasks.0.result}}" },
    );
    const { id } = await heddle.createRun({
      context: { format: "openai", model: "new-1", messages: [{ role: "user", content: "Begin." }] },
      root: { key: "root", instructions: root },
    });
    await heddle.waitFor(id, { mode: "settled" });
    const { tasks } = await heddle.listTasks(id);
    expect(tasks.map(({ key, state, attempts }) => ({ key, state, attempts }))).toEqual([
      { key: "root", state: "succeeded", attempts: 2 },
      { key: "other", state: "succeeded", attempts: 1 },
    ]);
  });
});
