import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Unserved } from "../../../src/cli/run/unserved.ts";
import type { RunView, TasksPage } from "../../../src/client/replies.ts";
import { watchUnservedMs } from "../../../src/limits.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: 0 }));
afterEach(() => void vi.useRealTimers());

const none = { waiting: 0, ready: 0, running: 0, parked: 0, succeeded: 0, failed: 0, cancelled: 0, skipped: 0 };
const run = (counts: Partial<RunView["counts"]>) => ({ status: "active", counts: { ...none, ...counts } }) as const;

/** Looks at a run whose ready tasks are of these pools at these times. */
function watched() {
  const said: string[] = [];
  let pools: string[] = [];
  let asked = 0;
  const listTasks = async () => {
    asked++;
    return { tasks: pools.map((pool) => ({ pool })), next_cursor: null } as TasksPage;
  };
  const unserved = new Unserved({ listTasks }, "run_1", { note: (text) => said.push(/pool (\S+),/.exec(text)![1]!) });
  const look = async (at: number, ready: string[], running = 0) => {
    vi.setSystemTime(at);
    pools = ready;
    await unserved.look(run({ ready: ready.length, running }), new AbortController().signal);
    return [said.splice(0), asked];
  };
  return look;
}

test("a pool is named when nothing has run for a while, once, and one that waits later as well", async () => {
  const look = watched();
  expect(await look(0, ["hosted"])).toEqual([[], 0]);
  expect(await look(watchUnservedMs - 1, ["hosted"])).toEqual([[], 0]);
  expect(await look(watchUnservedMs, ["hosted"])).toEqual([[], 1]);
  // Not at each event.
  expect(await look(watchUnservedMs + 1, ["box", "box"])).toEqual([[], 1]);
  expect(await look(2 * watchUnservedMs, ["box", "box"])).toEqual([["box"], 2]);
  expect(await look(3 * watchUnservedMs, ["box", "gpu"])).toEqual([["gpu"], 3]);
});

test("what runs between begins the time anew", async () => {
  const look = watched();
  await look(0, ["box"]);
  await look(watchUnservedMs - 1, ["box"], 1);
  expect(await look(watchUnservedMs, ["box"])).toEqual([[], 0]);
  expect(await look(2 * watchUnservedMs, ["box"])).toEqual([["box"], 1]);
});
