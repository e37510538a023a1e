/** Contexts that grow beyond the model's window: a task fails, or goes on with its newest turns, as it was told to. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findNote } from "../../src/context/compaction.ts";
import { findForkText } from "../../src/context/fork-text.ts";
import { stringAt } from "../../src/context/json-text.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import { LocalServer } from "./lib/server.ts";
import { type SimTurn, says } from "./lib/sim.ts";
import { contextOf } from "./lib/transcripts.ts";

let server: LocalServer;

beforeAll(async () => {
  server = await LocalServer.start();
});
afterAll(() => server?.stop());

/** Turns that each add some 200 tokens to the conversation. */
const wordy = (count: number): SimTurn[] =>
  Array.from({ length: count }, (_, i) => ({ text: `${i} ${"so ".repeat(200)}`, calls: [{ tool: "inspect" }] }));
const narrow = (window: number, turns: SimTurn[]): string =>
  `Go on and on.\n\`\`\`sim\n${JSON.stringify({ window, turns })}\n\`\`\``;
const newRun = async (format: "anthropic" | "openai"): Promise<string> =>
  (await server.heddle.createRun({ name: "narrow", context: { format, system: "Be brief.", tools: [] } })).id;
const notesIn = (messages: readonly string[]) =>
  messages.flatMap((message) => findNote(stringAt(message, ["content"]) ?? "") ?? []);

const formats = ["anthropic", "openai"] as const;

describe.each(formats)("in the %s format", (format) => {
  it("a task fails by default, and says what it could have done", async () => {
    const { heddle } = server;
    const run = await newRun(format);
    await heddle.createTasks(run, {
      tasks: [{ key: "t", instructions: narrow(2600, [...wordy(8), { text: "end" }]) }],
    });
    await heddle.waitFor(run, { mode: "settled" });
    const { state, error, turns } = await heddle.task(run, "t");
    expect([state, error?.code]).toEqual(["failed", "context_too_long"]);
    expect(error?.message).toContain("on_context_too_long");
    expect(turns).toBeGreaterThan(1);
  });

  it("with {last: n} it goes on, again and again, with its instructions and its newest turns", async () => {
    const { heddle } = server;
    const run = await newRun(format);
    const instructions = narrow(2900, [...wordy(12), { text: "at the end of {{12.0.run}}" }]);
    await heddle.createTasks(run, { tasks: [{ key: "t", instructions, on_context_too_long: { last: 2 } }] });
    await heddle.waitFor(run, { mode: "settled" });
    const task = await heddle.task(run, "t");
    // Each turn of the script was played once, and what it names by number is still found.
    expect(task).toMatchObject({ state: "succeeded", turns: 13, result: `at the end of ${run}` });
    const compactions = eventsOf(await logOf(server, run), "context_compacted");
    expect(compactions.length).toBeGreaterThan(1);
    for (const { task: of, from, to } of compactions) {
      expect(of).toBe(task.id);
      expect(from).not.toBe(to);
    }
    const { messages, text } = await contextOf(server, run, "t");
    expect(text).toContain('"system":"Be brief."');
    expect(findForkText(stringAt(messages[0]!, ["content"])!)?.instructions).toBe(instructions);
    const sum = (field: "dropped" | "replies") => compactions.reduce((all, event) => all + Number(event[field]), 0);
    expect(notesIn(messages)).toEqual([{ dropped: sum("dropped"), replies: sum("replies") }]);
  });

  it("where even one turn is too long it fails, after it has tried", async () => {
    const { heddle } = server;
    const run = await newRun(format);
    const turns = [...wordy(2), { text: "long ".repeat(2000), calls: [{ tool: "inspect" }] }, { text: "end" }];
    const instructions = narrow(4400, turns);
    await heddle.createTasks(run, { tasks: [{ key: "t", instructions, on_context_too_long: { last: 16 } }] });
    await heddle.waitFor(run, { mode: "settled" });
    const { state, error } = await heddle.task(run, "t");
    expect([state, error?.code]).toEqual(["failed", "context_too_long"]);
    expect(error?.message).toContain("newest turn");
    const compactions = eventsOf(await logOf(server, run), "context_compacted");
    expect(compactions.map(({ last }) => last)).toEqual([2, 1]);
  });
});

it("in either format what was cut stays cut over kill -9, and a fork made by a call keeps its call", async () => {
  const { heddle } = server;
  /** Makes the run, waits until its cut child is in its last turn, and resolves to what there is to check after the kill. */
  const begun = async (format: (typeof formats)[number]) => {
    const run = await newRun(format);
    const child = {
      key: "child",
      on_context_too_long: { last: 1 },
      instructions: narrow(5200, [...wordy(8), { text: "not this", latency_ms: 60_000 }]),
    };
    const parent = `Fork.\n\`\`\`sim\n${JSON.stringify({
      turns: [
        { calls: [{ tool: "inspect" }, { tool: "create_task", arguments: child }] },
        { calls: [{ tool: "await_tasks", arguments: { tasks: ["child"] } }] },
        { text: "{{2.0.tasks.0.result}}" },
      ],
    })}\n\`\`\``;
    await heddle.createTasks(run, { tasks: [{ key: "parent", instructions: parent }] });
    const id = await until("the child's context is cut", 60_000, async () => {
      const [cut] = eventsOf(await logOf(server, run), "context_compacted");
      return cut?.task;
    });
    await until("it is in its last turn", 60_000, async () => (await heddle.task(run, id)).turns === 8);
    const before = eventsOf(await logOf(server, run), "context_compacted");
    await heddle.sendMessage(run, id, { content: says("cut and killed") });
    return async () => {
      await heddle.waitFor(run, { mode: "settled" });
      expect((await heddle.task(run, "parent")).result).toBe("cut and killed");
      expect(eventsOf(await logOf(server, run), "context_compacted").slice(0, before.length)).toEqual(before);
      const { messages } = await contextOf(server, run, id);
      expect(notesIn(messages)).toHaveLength(1);
      expect(messages.some((message) => message.includes(`you are task ${id}, forked`))).toBe(true);
    };
  };
  const checks = await Promise.all(formats.map(begun));
  await server.kill();
  await server.start();
  for (const check of checks) await check();
});
