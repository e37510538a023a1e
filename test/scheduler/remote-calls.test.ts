import { expect, test } from "vitest";
import { agingStepMs, leaseMs, poisonedLosses, toolProgressEveryMs, urlCallsAtOnce } from "../../src/limits.ts";
import { endActor, openActor } from "../../src/scheduler/actors.ts";
import { nextReady } from "../../src/scheduler/attempts.ts";
import { reserveTokens } from "../../src/scheduler/budget.ts";
import { endAttemptsOfOtherBoots, extendOverRestarts, nextClock } from "../../src/scheduler/clock.ts";
import { acquire } from "../../src/scheduler/locks.ts";
import { pop } from "../../src/scheduler/message-queues.ts";
import type { Leased as LeasedCall } from "../../src/scheduler/remote-calls.ts";
import {
  beginRemoteCall,
  endCall,
  failCall,
  findCall,
  leasedCall,
  nextCall,
  reportProgress,
  startCall,
} from "../../src/scheduler/remote-calls.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import { pauseRun, resumeRun } from "../../src/scheduler/run-commands.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { MemoryStore } from "../sim/memory-store.ts";
import { checkState, expectSame } from "./check.ts";
import { Run, states } from "./run.ts";

const minute = 60_000;

interface Asked {
  id?: string;
  tool?: string;
  pool?: string;
  timeoutMs?: number;
  retryLimit?: number;
}

function ask(run: Run, task: Task, asked: Asked = {}) {
  const call = { id: "c", tool: "shell", pool: "box", timeoutMs: 5 * minute, retryLimit: 2, arguments: "{}", ...asked };
  return run.step((step) => beginRemoteCall(step, task, call));
}

/** A task that has asked and is parked. */
function caller(run: Run, asked: Asked = {}, spec = {}): Task {
  const task = run.start(run.post(spec)[0]!);
  ask(run, task, asked);
  run.giveBack(task);
  return task;
}

/** Leases the next call of the pool; answers its lease's name. */
function take(run: Run, { pool = "box", tools, boot = "" }: { pool?: string; tools?: string[]; boot?: string } = {}) {
  return run.step((step) => {
    const next = nextCall(step.state, pool, step.now, tools);
    if (!next) return undefined;
    return { seq: next.call.seq, fence: startCall(step, next, "w", boot), task: next.task.n, call: next.call };
  });
}

type Lease = NonNullable<ReturnType<typeof take>>;

/** Does something by a lease; false when it is late. */
function by(run: Run, lease: Lease, act: (found: LeasedCall, run: Run) => void): boolean {
  const found = leasedCall(run.state, lease.seq, lease.fence);
  if (found) act(found, run);
  checkState(run.state, run.now);
  return found !== undefined;
}

const finish = (run: Run, lease: Lease, result: unknown = "done") =>
  by(run, lease, (found) => run.step((step) => endCall(step, found, { kind: "result", result, isError: false })));

const fail = (run: Run, lease: Lease, transient = true, retryAfterMs?: number) =>
  by(run, lease, (found) =>
    run.step((step) =>
      failCall(step, found, {
        error: { code: "busy", message: "not now" },
        fault: transient ? "endpoint_busy" : "endpoint_refused",
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      }),
    ),
  );

const callOf = (task: Task, id = "c") => task.calls.find((one) => one.id === id);
const phaseOf = (run: Run, lease: Lease) => findCall(run.state, lease.seq)?.call.remote.phase;
/** What ended the call that ended last. */
const endOf = (run: Run) => {
  const done = run.log.findLast(({ event }) => event.type === "call_done");
  return (done!.body as { tool: object }).tool;
};

test("[M1] a call parks its task, counts as no task, and is the same when it is begun again", () => {
  const run = new Run({ tasks: 1, children: 0, workers: 1 });
  const task = run.start(run.post({})[0]!);
  expect(ask(run, task)).toEqual({ kind: "waiting" });
  expect(ask(run, task, { tool: "other" })).toEqual({ kind: "waiting" });
  run.giveBack(task);
  expect(states(task)).toBe("parked");
  expect(run.state.header.taskCount).toBe(1);
  expect(run.state.openCalls.size).toBe(1);
  checkState(run.state, run.now);
  const lease = take(run)!;
  expect(finish(run, lease)).toBe(true);
  expect(callOf(task)).toMatchObject({ state: "done" });
  expect(ask(run, task)).toMatchObject({ kind: "done" });
});

test("[M2] calls go in the order of their callers' levels, then of their coming", () => {
  const run = new Run();
  const low = caller(run, { tool: "low" }, { priority: 1 });
  const first = caller(run, { tool: "first" }, { priority: 5 });
  const second = caller(run, { tool: "second" }, { priority: 5 });
  const high = caller(run, { tool: "high" }, { priority: 9 });
  expect([1, 2, 3, 4].map(() => take(run)!.task)).toEqual([high.n, first.n, second.n, low.n]);
  expect(take(run)).toBeUndefined();
});

test("[M2] a caller that others wait for takes its calls along, and waiting minutes count", () => {
  const run = new Run();
  const low = caller(run, {}, { priority: 1, key: "low" });
  caller(run, {}, { priority: 5 });
  run.post({ after: ["low"], priority: 9 });
  checkState(run.state, run.now);
  expect(take(run)!.task).toBe(low.n);
  const aged = new Run();
  const old = caller(aged, { timeoutMs: 60 * minute }, { priority: 1 });
  aged.now += 5 * agingStepMs;
  caller(aged, {}, { priority: 5 });
  expect(take(aged)!.task).toBe(old.n);
});

test("[M2] a worker gets calls of its pool, and of the tools that it names", () => {
  const run = new Run();
  const task = run.start(run.post({})[0]!);
  ask(run, task, { id: "a", tool: "read" });
  ask(run, task, { id: "b", tool: "shell" });
  ask(run, task, { id: "d", tool: "shell", pool: "other" });
  ask(run, task, { id: "e", tool: "hook", pool: "" });
  expect(take(run, { pool: "box", tools: ["write"] })).toBeUndefined();
  expect(take(run, { pool: "box", tools: ["shell", "write"] })!.call.id).toBe("b");
  expect(take(run, { pool: "other" })!.call.id).toBe("d");
  expect(take(run)!.call.id).toBe("a");
  expect(take(run)).toBeUndefined();
  expect(take(run, { pool: "" })!.call.id).toBe("e");
});

test("[M2] a run with one worker carries out its calls while others run, none while it is paused", () => {
  const run = new Run({ workers: 1 });
  const task = caller(run);
  const other = run.start(run.post({})[0]!);
  run.post({});
  expect(nextReady(run.state, "hosted", run.now)).toBeUndefined();
  run.step((step) => pauseRun(step));
  expect(take(run)).toBeUndefined();
  run.step((step) => resumeRun(step));
  const lease = take(run)!;
  expect(run.state.working).toBe(1);
  finish(run, lease);
  expect(states(task, other)).toBe("ready running");
});

test("[M2] a run that waits for tokens lets its calls go on", () => {
  const run = new Run({ tokens: 10 });
  const task = caller(run);
  const hungry = run.start(run.post({})[0]!);
  run.step((step) => reserveTokens(step, hungry, { inputTokens: 50, outputTokens: 50 }));
  expect(run.state.header).toMatchObject({ status: "paused", reason: "budget" });
  finish(run, take(run)!);
  expect(states(task)).toBe("ready");
});

test("[M2] so many urls are called at once and no more", () => {
  const run = new Run();
  const task = run.start(run.post({})[0]!);
  for (let i = 0; i <= urlCallsAtOnce; i++) ask(run, task, { id: `c${i}`, pool: "" });
  const leases = Array.from({ length: urlCallsAtOnce }, () => take(run, { pool: "" })!);
  expect(take(run, { pool: "" })).toBeUndefined();
  finish(run, leases[3]!);
  expect(take(run, { pool: "" })).toBeDefined();
});

test("[M3] it has one result: a repeat, an older lease and a result after the end are late", () => {
  const run = new Run();
  const task = caller(run);
  const stale = take(run)!;
  run.clock(leaseMs);
  const lease = take(run)!;
  expect(lease.fence).toBeGreaterThan(stale.fence);
  expect(finish(run, stale, "of the lost one")).toBe(false);
  expect(finish(run, lease, "the one")).toBe(true);
  expect(finish(run, lease, "again")).toBe(false);
  expect(fail(run, lease)).toBe(false);
  expect(run.events("call_done")).toHaveLength(1);
  expect(endOf(run)).toEqual({ kind: "result", result: "the one", isError: false });
  expect(states(task)).toBe("ready");
});

test("[M3] fences of calls and of tasks are one sequence", () => {
  const run = new Run();
  caller(run);
  const lease = take(run)!;
  const next = run.start(run.post({})[0]!);
  expect(next.phase.fence).toBe(lease.fence + 1);
});

test("[M4] a lost lease makes it ready again, and the third in a row fails it", () => {
  const run = new Run();
  const task = caller(run, { timeoutMs: 60 * minute });
  for (let i = 1; i < poisonedLosses; i++) {
    const lease = take(run)!;
    expect(nextClock(run.state)).toBe(run.now + leaseMs);
    run.clock(leaseMs);
    expect(phaseOf(run, lease)?.state).toBe("ready");
  }
  take(run);
  run.clock(leaseMs);
  expect(endOf(run)).toMatchObject({ kind: "failed", error: { code: "worker_lost" }, attempts: poisonedLosses });
  expect(states(task)).toBe("ready");
});

test("[M4] a failure that is told ends the row of losses", () => {
  const run = new Run();
  caller(run, { timeoutMs: 60 * minute });
  for (let i = 1; i < poisonedLosses; i++) {
    take(run);
    run.clock(leaseMs);
  }
  fail(run, take(run)!);
  run.clock(2000);
  take(run);
  run.clock(leaseMs);
  expect(run.events("call_done")).toEqual([]);
});

test("[M4] a restart ends the leases of its own runtime, which count as no loss, and gives the others a term as tasks' leases have it", () => {
  const run = new Run();
  caller(run, { pool: "", timeoutMs: 60 * minute });
  for (let boot = 1; boot <= poisonedLosses + 1; boot++) {
    const lease = take(run, { pool: "", boot: `b${boot}` })!;
    run.step((step) => endAttemptsOfOtherBoots(step, `b${boot}`));
    expect(phaseOf(run, lease)?.state).toBe("running");
    run.step((step) => endAttemptsOfOtherBoots(step, `b${boot + 1}`));
    expect(phaseOf(run, lease)?.state).toBe("ready");
  }
  const other = new Run();
  caller(other);
  const lease = take(other)!;
  other.now += leaseMs - 1;
  extendOverRestarts(other.state, [other.now]);
  other.step((step) => endAttemptsOfOtherBoots(step, "b"));
  other.clock(leaseMs - 1);
  expect(phaseOf(other, lease)?.state).toBe("running");
  other.clock(1);
  expect(phaseOf(other, lease)?.state).toBe("ready");
});

test("[M5] a transient failure backs off, doubling, at least as long as it is told to, until the limit", () => {
  const run = new Run();
  const task = caller(run, { retryLimit: 2, timeoutMs: 60 * minute });
  fail(run, take(run)!);
  expect(take(run)).toBeUndefined();
  const [first] = run.events("tool_call_attempt_ended");
  expect(first!.until! - run.now).toBeGreaterThanOrEqual(800);
  expect(first!.until! - run.now).toBeLessThanOrEqual(1200);
  run.clock(first!.until! - run.now);
  expect(run.events("tool_call_ready")).toEqual([{ type: "tool_call_ready", task: task.n, call: "c", why: "backoff" }]);
  fail(run, take(run)!, true, 45_000);
  run.clock(44_999);
  expect(take(run)).toBeUndefined();
  run.clock(1);
  fail(run, take(run)!);
  expect(endOf(run)).toEqual({ kind: "failed", error: { code: "busy", message: "not now" }, attempts: 3 });
  expect(states(task)).toBe("ready");
});

test("[M5] a permanent failure, and one whose backoff would pass the call's time, end it at once", () => {
  const run = new Run();
  const [one, two] = [caller(run), caller(run, { timeoutMs: 30_000 })];
  fail(run, take(run)!, false);
  expect(states(one)).toBe("ready");
  fail(run, take(run)!, true, 30_000);
  expect(states(two)).toBe("ready");
});

test("[M6] it ends at its time: while ready, while running, while backing off", () => {
  const run = new Run();
  const tasks = [1, 2, 3].map(() => caller(run, { timeoutMs: 20_000 }));
  fail(run, take(run)!, true, 15_000);
  const lease = take(run)!;
  run.clock(19_999);
  expect(states(...tasks)).toBe("parked parked parked");
  run.clock(1);
  expect(states(...tasks)).toBe("ready ready ready");
  expect(run.events("call_done").map(({ why }) => why)).toEqual(["timed_out", "timed_out", "timed_out"]);
  expect(endOf(run)).toEqual({ kind: "timed_out", afterMs: 20_000, attempts: 0 });
  expect(finish(run, lease)).toBe(false);
  expect(run.state.openCalls.size).toBe(0);
});

test("[M7] its caller's cancellation, end, failure, retry and timeout lose its lease", () => {
  const run = new Run();
  const cancelled = caller(run);
  const lease = take(run)!;
  run.cancel(cancelled);
  expect(finish(run, lease)).toBe(false);
  run.step((step) => retryTask(step, cancelled));
  expect(finish(run, lease)).toBe(false);
  expect(take(run)).toBeUndefined();

  const ended = run.start(run.post({})[0]!);
  ask(run, ended);
  const other = take(run)!;
  run.complete(ended);
  expect(finish(run, other)).toBe(false);

  const late = caller(run, {}, { timeout_ms: 1000 });
  const third = take(run)!;
  run.clock(1000);
  expect(states(late)).toBe("failed");
  expect(finish(run, third)).toBe(false);
  expect(run.state.openCalls.size).toBe(0);
  checkState(run.state, run.now);
});

test("[M7] work that is done, children or not, and the next turn void it", () => {
  const run = new Run();
  const parent = run.start(run.post({})[0]!);
  run.make(parent, {});
  ask(run, parent);
  const lease = take(run)!;
  run.complete(parent);
  expect(states(parent)).toBe("parked");
  expect(finish(run, lease)).toBe(false);

  const task = run.start(run.post({})[0]!);
  ask(run, task);
  const other = take(run)!;
  run.turn(task);
  expect(finish(run, other)).toBe(false);
});

test("[M7] a session's calls end with it", () => {
  const run = new Run();
  const actor = run.step((step) => openActor(step, 60_000, "harness"));
  ask(run, actor);
  const lease = take(run)!;
  expect(lease.task).toBe(actor.n);
  checkState(run.state, run.now);
  run.step((step) => endActor(step, actor, "closed"));
  expect(finish(run, lease)).toBe(false);
  expect(run.state.openCalls.size).toBe(0);
});

test("[M8] the caller wakes once, when the last of its calls has its answer, whatever they wait for", () => {
  const run = new Run();
  const other = run.post({})[0]!;
  const task = run.start(run.post({})[0]!);
  ask(run, task, { id: "a" });
  ask(run, task, { id: "b" });
  run.park(task, [other]);
  finish(run, take(run)!);
  run.succeed(other);
  expect(states(task)).toBe("parked");
  finish(run, take(run)!);
  expect(states(task)).toBe("ready");
  expect(run.events("task_ready").filter(({ why }) => why === "wake")).toHaveLength(1);
});

test("[M8] a result that comes before the lease is given back is kept; a pull worker's lease is unblocked", () => {
  const run = new Run();
  const task = run.start(run.post({})[0]!);
  ask(run, task);
  finish(run, take(run)!);
  run.giveBack(task);
  expect(states(task)).toBe("ready");

  const pulled = run.start(run.post({ pool: "hosted" })[0]!);
  ask(run, pulled);
  run.step((step) => step.emit({ type: "call_blocked", task: pulled.n, fence: pulled.phase.fence, blocked: true }));
  finish(run, take(run)!);
  expect(pulled.phase).toMatchObject({ state: "running", blocked: false });
});

test("[M9] who waits for the caller of an open call, or for anyone, is in no deadlock and no stall", () => {
  const run = new Run({ stallMs: 1000 });
  const shop = (task: Task) =>
    run.step((step) => pop(step, { task, call: "pop", until: 0 }, "q", { max: 1, external: false }));
  const root = run.start(run.root());
  run.step((step) => acquire(step, root, { call: "l", names: ["l"], mode: "exclusive", until: 0 }));
  ask(run, root, { timeoutMs: 10 * minute });
  run.giveBack(root);
  const [shopper, locker, follower] = run.post({}, {}, {}) as [Task, Task, Task];
  shop(run.start(shopper));
  run.giveBack(shopper);
  run.start(locker);
  run.step((step) => acquire(step, locker, { call: "l", names: ["l"], mode: "exclusive", until: 0 }));
  run.giveBack(locker);
  run.start(follower);
  run.park(follower, [shopper]);
  run.clock(5 * minute);
  expect(run.events("finding")).toEqual([]);
  expect(states(root, shopper, locker, follower)).toBe("parked parked parked parked");
  finish(run, take(run)!);
  // Without the call the same is a stall: nobody is left to push.
  shop(run.start(root));
  run.giveBack(root);
  expect(run.events("finding").map(({ kind }) => kind)).toContain("deadlock");
});

test("[M10] progress is told once a second, by the lease's holder", () => {
  const run = new Run();
  const task = caller(run);
  const lease = take(run)!;
  const report = (message: string) =>
    by(run, lease, (found) => run.step((step) => reportProgress(step, found, { message })));
  report("a");
  run.now += toolProgressEveryMs - 1;
  report("b");
  run.now += 1;
  report("c");
  const told = run.log.filter(({ event }) => event.type === "tool_call_progress");
  expect(told.map(({ body }) => body)).toEqual([{ progress: { message: "a" } }, { progress: { message: "c" } }]);
  expect(callOf(task)).toMatchObject({ remote: { progress: told[1]!.seq } });
  run.clock(leaseMs);
  expect(report("d")).toBe(false);
});

test("[G1] open calls come back from a checkpoint as they were, and from the log alone", () => {
  const run = new Run();
  const store = new MemoryStore();
  const task = run.start(run.post({})[0]!);
  for (const id of ["ready", "running", "waiting"]) ask(run, task, { id, tool: id });
  take(run, { tools: ["running"] });
  fail(run, take(run, { tools: ["waiting"] })!, true, 60_000);
  run.giveBack(task);
  const decided = run.log.map(({ seq, event, causes, body }) => ({ seq, event, causes, body }));
  for (const [i, one] of decided.entries()) store.append([one], run.log[i]!.at);
  expectSame(run.state, store.replay());
  store.checkpoint(run.state);
  const loaded = store.load();
  expectSame(run.state, loaded);
  checkState(loaded, run.now);
  expect(loaded.openCalls.size).toBe(3);
  expect(nextClock(loaded)).toBe(nextClock(run.state));
});
