/** Texts that models are still writing, for those who follow a run and ask for them; nothing of them for anybody else. */

import { describe, expect, it } from "vitest";
import { type EventView, isPartial, type PartialText } from "../../src/client/index.ts";
import { sharedServer } from "./lib/shared.ts";
import { says } from "./lib/sim.ts";

const server = sharedServer();
const { heddle } = server;
const story = "Once upon a time there was a loom, and it had a heddle that held the warp apart.";

type Seen = (EventView | PartialText)[];

/** Follows to the run's end; resolves `begun` with the first event. */
function follow(run: string, transport?: "websocket" | "sse"): { begun: Promise<void>; all: Promise<Seen> } {
  let begin = () => {};
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const all = (async () => {
    const seen: Seen = [];
    for await (const event of heddle.followEvents(run, { partial: true }, transport ? { transport } : {})) {
      seen.push(event);
      begin();
    }
    return seen;
  })();
  return { begun, all };
}

describe.concurrent.each([
  ["anthropic", "websocket"],
  ["openai", "sse"],
] as const)("in the %s format, by %s", (format, transport) => {
  it("a follower reads a reply as it is written, a late one from its beginning; the log knows nothing of it", async () => {
    const run = (await heddle.createRun({ context: { format } })).id;
    const early = follow(run, transport);
    await early.begun;
    let half = () => {};
    const read = new Promise<void>((resolve) => (half = resolve));
    const watching = (async () => {
      let text = "";
      for await (const event of heddle.followEvents(run, { partial: true })) {
        if (isPartial(event)) text += event.text;
        if (text.length > story.length / 3) half();
      }
    })();
    await heddle.createTasks(run, { tasks: [{ instructions: says(story, { stream_ms: 6000 }) }] });
    await read;
    const late = follow(run, transport);
    await heddle.waitFor(run);
    await heddle.finishRun(run);
    const plain: EventView[] = [];
    for await (const event of heddle.followEvents(run)) plain.push(event);
    const [first, second] = await Promise.all([early.all, late.all, watching]);
    for (const seen of [first, second]) {
      const partials = seen.filter(isPartial);
      expect(partials.length).toBeGreaterThan(0);
      let text = "";
      for (const { offset, text: piece, turn, task } of partials) {
        expect([turn, task]).toEqual([1, plain.find(({ type }) => type === "task_created")!.task]);
        expect(offset).toBe(text.length);
        text += piece;
      }
      expect(story.startsWith(text)).toBe(true);
      // None comes after the turn that has it all.
      const turnAt = seen.findIndex(({ type }) => type === "turn");
      expect(seen.findLastIndex((one) => isPartial(one))).toBeLessThan(turnAt);
      expect(seen.filter((one) => !isPartial(one))).toEqual(plain);
    }
    expect(first.filter(isPartial).length).toBeGreaterThan(1);
    expect(second.filter(isPartial)[0]!.text.length).toBeGreaterThan(story.length / 3);
  });
});

it("a stream that did not ask for them has no such frame, and one that did gives them no id", async () => {
  const run = (await heddle.createRun({})).id;
  const watching = follow(run);
  await watching.begun;
  await heddle.createTasks(run, { tasks: [{ instructions: says(story, { stream_ms: 2500 }) }] });
  const read = async (query: string) => {
    const response = await fetch(`${server.url}/v1/runs/${run}/events${query}`, {
      headers: { authorization: "Bearer hdl_local", accept: "text/event-stream" },
    });
    return (await response.text()).split("\n\n");
  };
  const reading = Promise.all([read(""), read("?partial=true"), watching.all]);
  await heddle.waitFor(run);
  await heddle.finishRun(run);
  const [plain, asked] = await reading;
  expect(plain.filter((frame) => frame.includes("event: partial"))).toEqual([]);
  const partials = asked.filter((frame) => frame.startsWith("event: partial"));
  expect(partials.length).toBeGreaterThan(0);
  for (const frame of partials) expect(frame).not.toMatch(/^id:/m);
  const wrong = await server.call("GET", `/v1/runs/${run}/events?partial=maybe`);
  expect(wrong.json).toMatchObject({ code: "validation_failed", errors: [{ path: "partial" }] });
});
