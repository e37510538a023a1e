import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PartialText } from "../../src/agent/partial-text.ts";
import { partialCharsMax, partialEveryMs } from "../../src/limits.ts";
import type { PartialPiece } from "../../src/objects/seat-rpc.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A run that answers `watched`, and keeps what it was sent. */
function follow(watched: boolean) {
  const sent: PartialPiece[] = [];
  const run = { watched };
  const partial = new PartialText(watched, async (piece) => {
    sent.push(piece);
    return { watched: run.watched };
  });
  return { sent, run, partial };
}

test("sends nothing while nobody follows, and all there is to who comes in the middle", async () => {
  const { sent, run, partial } = follow(false);
  partial.begin(3);
  partial.add("Once upon ");
  await vi.advanceTimersByTimeAsync(10 * partialEveryMs);
  expect(sent).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
  run.watched = true;
  partial.watched = true;
  await vi.advanceTimersByTimeAsync(partialEveryMs);
  expect(sent).toEqual([{ turn: 3, offset: 0, text: "Once upon " }]);
});

test("sends one piece in a while, with what came meanwhile, and stops when nobody follows any more", async () => {
  const { sent, run, partial } = follow(true);
  partial.begin(1);
  for (let i = 0; i < 30; i++) {
    partial.add(`${i % 10}`);
    await vi.advanceTimersByTimeAsync(partialEveryMs / 5);
  }
  expect(sent.length).toBeGreaterThan(4);
  expect(sent.length).toBeLessThanOrEqual(7);
  let end = 0;
  for (const { offset, text } of sent) {
    expect(offset).toBe(end);
    end += text.length;
  }
  run.watched = false;
  await vi.advanceTimersByTimeAsync(partialEveryMs);
  const { length } = sent;
  partial.add("more");
  await vi.advanceTimersByTimeAsync(5 * partialEveryMs);
  expect(sent.length).toBeLessThanOrEqual(length + 1);
  expect(vi.getTimerCount()).toBe(0);
});

test("waits for a piece that is on its way, and is not stopped by one that is lost", async () => {
  let fail: (error: Error) => void = () => {};
  const sent: PartialPiece[] = [];
  const partial = new PartialText(true, (piece) => {
    sent.push(piece);
    return new Promise((_, reject) => (fail = reject));
  });
  partial.begin(1);
  partial.add("a");
  await vi.advanceTimersByTimeAsync(10);
  partial.add("b");
  await vi.advanceTimersByTimeAsync(10 * partialEveryMs);
  partial.add("c");
  expect(sent.map(({ text }) => text)).toEqual(["a"]);
  fail(new Error("the run is away"));
  await vi.advanceTimersByTimeAsync(partialEveryMs);
  expect(sent.map(({ offset, text }) => [offset, text])).toEqual([
    [0, "a"],
    [1, "bc"],
  ]);
});

test("ends with the reply, begins anew with the next, and sends only so much of one", async () => {
  const { sent, partial } = follow(true);
  partial.begin(1);
  partial.add("first");
  partial.end();
  await vi.advanceTimersByTimeAsync(partialEveryMs);
  expect(sent).toEqual([]);
  partial.begin(2);
  for (let i = 0; i < 100; i++) partial.add("x".repeat(1000));
  await vi.advanceTimersByTimeAsync(10 * partialEveryMs);
  const length = sent.reduce((sum, { text }) => sum + text.length, 0);
  expect(sent[0]).toMatchObject({ turn: 2, offset: 0 });
  expect(length).toBeGreaterThanOrEqual(partialCharsMax);
  expect(length).toBeLessThan(partialCharsMax + 1000);
});
