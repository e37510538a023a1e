import { expect, test } from "vitest";
import { type Actor, endActor, isLiveActor, openActor } from "../../src/scheduler/actors.ts";
import { acquire } from "../../src/scheduler/locks.ts";
import { pop, push } from "../../src/scheduler/message-queues.ts";
import { cancelRun } from "../../src/scheduler/run-commands.ts";
import { acquirePermits, createSemaphore } from "../../src/scheduler/semaphores.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { MemoryStore } from "../sim/memory-store.ts";
import { checkState } from "./check.ts";
import { Run, states } from "./run.ts";

const open = (run: Run, ttlMs = 60_000): Actor => run.step((step) => openActor(step, ttlMs, "harness"));
const take = (run: Run, task: Task, name: string, call = `c-${name}`) =>
  run.step((step) => acquire(step, task, { call, names: [name], mode: "exclusive", until: 0 }));
const close = (run: Run, actor: Actor) => run.step((step) => endActor(step, actor, "closed"));
const shop = (run: Run, task: Task | undefined, call = "pop") =>
  run.step((step) => pop(step, { task, call, until: 0 }, "q", { max: 1, external: false }));
const bring = (run: Run, task: Task | undefined) =>
  run.step((step) => push(step, { task, call: "push", until: 0 }, "q", { messages: [1], sizes: [1] }));

test("[A1] a session's end releases what it holds, and it counts as no task", () => {
  const run = new Run();
  const task = run.start(run.post({})[0]!);
  const actor = open(run);
  expect(actor.n).toBe(-1);
  expect(take(run, actor, "l")).toMatchObject({ kind: "granted" });
  run.step((step) => createSemaphore(step, "s", 2));
  run.step((step) => acquirePermits(step, actor, { call: "s", name: "s", permits: 2, until: 0 }));
  take(run, task, "l");
  run.giveBack(task);
  expect(run.state.liveCount()).toBe(1);
  checkState(run.state, run.now);
  close(run, actor);
  expect(isLiveActor(actor)).toBe(false);
  expect(states(task)).toBe("ready");
  expect(task.holds).toMatchObject([{ name: "l", token: 2 }]);
  expect(run.state.blocking.line("s", "semaphore").held).toBe(0);
  expect(run.state.actors.size).toBe(0);
});

test("[A1] it ends when its time is over, although nobody calls, and with the run", () => {
  const run = new Run();
  const [first, second] = [open(run, 1000), open(run, 5000)];
  take(run, first, "l");
  run.clock(1000);
  expect([isLiveActor(first), isLiveActor(second)]).toEqual([false, true]);
  expect(run.events("actor_ended")).toEqual([{ type: "actor_ended", actor: first.n, why: "expired" }]);
  expect(run.state.blocking.line("l", "lock").holders.size).toBe(0);
  run.step((step) => cancelRun(step, "enough"));
  expect(run.events("actor_ended").at(-1)).toMatchObject({ actor: second.n, why: "run_ended" });
});

test("[A1] a renewed one lasts longer", () => {
  const run = new Run();
  const actor = open(run, 1000);
  actor.phase.expiresAt += 1000;
  run.clock(1500);
  expect(isLiveActor(actor)).toBe(true);
  run.clock(500);
  expect(isLiveActor(actor)).toBe(false);
});

test("[A2] its wait is woken without a worker, and is no deadlock", () => {
  const run = new Run();
  const task = run.start(run.root());
  const actor = open(run);
  expect(shop(run, actor)).toEqual({ kind: "waiting" });
  expect(run.events("finding")).toEqual([]);
  bring(run, task);
  expect(actor.calls).toMatchObject([{ id: "pop", state: "done" }]);
  expect(run.state.working).toBe(1);
});

test("[A2] while one lives a stall is a finding and waits for limits.stall_ms, in a run with a root too", () => {
  const run = new Run({ stallMs: 2000 });
  const root = run.start(run.root());
  const actor = open(run, 10_000);
  shop(run, root);
  run.giveBack(root);
  expect(run.events("finding")).toMatchObject([{ kind: "stall", subjects: [root.n] }]);
  expect(states(root)).toBe("parked");
  run.clock(2000);
  expect(states(root)).toBe("ready");
  expect(run.events("finding").at(-1)).toMatchObject({ kind: "deadlock" });
  expect(isLiveActor(actor)).toBe(true);
});

test("[B2] a circle of locks through a session is broken at once, and the task is the victim", () => {
  const run = new Run();
  const task = run.start(run.post({})[0]!);
  const actor = open(run);
  take(run, actor, "x");
  take(run, task, "y");
  take(run, actor, "y");
  take(run, task, "x");
  expect(actor.holds.map(({ name }) => name)).toEqual(["x", "y"]);
  expect(run.events("finding")).toMatchObject([{ kind: "deadlock", subjects: [task.n, actor.n] }]);
});

test("a task waits for what an idle session holds: that is no stall, whatever else waits", () => {
  const run = new Run({ stallMs: 10 });
  const [one, two] = run.post({}, {}).map((task) => run.start(task)) as [Task, Task];
  const actor = open(run);
  take(run, actor, "l");
  take(run, one, "l");
  shop(run, two);
  expect(run.events("finding")).toEqual([]);
});

test("[G1] checkpoint and log give the same sessions", () => {
  const run = new Run();
  const [kept, gone] = [open(run), open(run)];
  take(run, kept, "l");
  shop(run, kept);
  close(run, gone);
  const store = new MemoryStore();
  store.log.push(...run.log);
  const replayed = store.load();
  store.checkpoint(replayed);
  for (const state of [store.load(), replayed]) {
    expect([...state.actors]).toEqual([kept.n]);
    expect(state.task(kept.n)).toEqual(kept);
    expect(state.header).toEqual(run.state.header);
    expect([...state.blocking.line("l", "lock").holders]).toEqual([[kept.n, "exclusive"]]);
    expect(state.blocking.line("q", "message_queue").waiters).toHaveLength(1);
  }
});
