import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { EventView } from "../../src/contract/shapes.ts";
import { Fault } from "../../src/errors/fault.ts";
import { type EventsRead, liveEvents, streamOf } from "../../src/http/live-events.ts";
import { sseCallsMax, sseHeartbeatMs } from "../../src/limits.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const event = (seq: number): EventView => ({ seq, at: 1, type: "task_created", causes: [] });
const pageOf = (done: boolean, ...seqs: number[]): EventsRead => ({ events: seqs.map(event), done });

async function all(frames: AsyncGenerator<string, void, void>): Promise<string[]> {
  const list: string[] = [];
  for await (const frame of frames) list.push(frame);
  return list;
}

test("frames carry seq, type and event, then the end", async () => {
  const asked: number[] = [];
  const frames = await all(
    liveEvents(4, pageOf(false, 5, 6), async (after) => {
      asked.push(after);
      return pageOf(true, 7);
    }),
  );
  expect(asked).toEqual([6]);
  expect(frames).toEqual([
    "retry: 1000\n\n",
    [5, 6].map((seq) => `id: ${seq}\nevent: task_created\ndata: ${JSON.stringify(event(seq))}\n\n`).join(""),
    `id: 7\nevent: task_created\ndata: ${JSON.stringify(event(7))}\n\n`,
    'event: end\ndata: {"last_seq":7}\n\n',
  ]);
});

test("partial texts follow the events, without an id; what was seen of them is asked for no more", async () => {
  const text = (offset: number) => ({ task: "T1-aaaaaa", turn: 2, offset, text: "so" });
  const asked: number[][] = [];
  const pages = [
    { ...pageOf(false), partials: { upTo: 7, texts: [text(0)] } },
    { ...pageOf(false, 5), partials: { upTo: 9, texts: [text(2)] } },
    { ...pageOf(true, 6), partials: { upTo: 9, texts: [] } },
  ];
  const frames = await all(
    liveEvents(4, pageOf(false), async (...seen) => {
      asked.push(seen);
      return pages.shift()!;
    }),
  );
  expect(asked).toEqual([
    [4, 0],
    [4, 7],
    [5, 9],
  ]);
  const lines = frames.map((one) => one.split("\n")[0]);
  expect(lines).toEqual(["retry: 1000", "event: partial", "id: 5", "event: partial", "id: 6", "event: end"]);
  expect(frames[1]).toBe(`event: partial\ndata: ${JSON.stringify(text(0))}\n\n`);
});

test("an ended run with nothing left ends at once", async () => {
  expect(await all(liveEvents(9, pageOf(true), () => Promise.reject(new Error("asked"))))).toEqual([
    "retry: 1000\n\n",
    'event: end\ndata: {"last_seq":9}\n\n',
  ]);
});

test("while nothing happens it says that it is there", async () => {
  let happen: (page: EventsRead) => void = () => {};
  const frames = liveEvents(0, pageOf(false), () => new Promise((resolve) => (happen = resolve)));
  await frames.next();
  for (let beat = 0; beat < 3; beat++) {
    const next = frames.next();
    await vi.advanceTimersByTimeAsync(sseHeartbeatMs);
    expect(await next).toEqual({ value: ": live\n\n", done: false });
  }
  const next = frames.next();
  await vi.advanceTimersByTimeAsync(1);
  happen(pageOf(true, 1));
  expect((await next).value).toContain("id: 1\n");
});

test("a fault in mid-stream is told as a problem and ends the stream", async () => {
  const frames = await all(liveEvents(0, pageOf(false, 1), () => Promise.reject(new Fault("not_found"))));
  expect(frames.at(-1)).toMatch(/^event: problem\ndata: \{.*"code":"not_found"/);
});

test("calls are bounded; the stream then ends without an end event, so that the client resumes", async () => {
  let calls = 0;
  const frames = await all(liveEvents(0, pageOf(false), async (after) => pageOf(false, after + Math.sign(++calls))));
  expect(calls).toBe(sseCallsMax);
  expect(frames.join("")).not.toContain("event: end");
});

test("nothing is read until the client reads, and cancelling stops the reading", async () => {
  let calls = 0;
  const reader = streamOf(liveEvents(0, pageOf(false), async (after) => pageOf(false, after + ++calls))).getReader();
  expect(calls).toBe(0);
  await reader.read();
  await reader.read();
  expect(calls).toBe(1);
  await reader.cancel();
  expect(calls).toBe(1);
});
