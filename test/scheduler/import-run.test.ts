import { expect, test } from "vitest";
import { openActor } from "../../src/scheduler/actors.ts";
import { takeOver } from "../../src/scheduler/import-run.ts";
import { beginRemoteCall, nextCall, startCall } from "../../src/scheduler/remote-calls.ts";
import { finishRun, resumeRun } from "../../src/scheduler/run-commands.ts";
import { checkState } from "./check.ts";
import { Run, states } from "./run.ts";

test("[N5] an imported run is paused, its leases and sessions are over, and nothing counts as lost", () => {
  const run = new Run();
  const [a, b] = run.post({ key: "a" }, { key: "b", after: ["a"] });
  run.start(a!);
  run.turn(a!);
  run.step((step) => openActor(step, 60_000, "outside"));
  run.step(takeOver);
  expect(run.state.header).toMatchObject({ status: "paused", reason: "imported" });
  expect(states(a!, b!)).toBe("ready waiting");
  expect(a).toMatchObject({ losses: 0, turns: 1 });
  expect([...run.state.actors]).toEqual([]);
  checkState(run.state, run.now);
  run.step((step) => resumeRun(step));
  run.succeed(a!, b!);
  expect(states(a!, b!)).toBe("succeeded succeeded");
});

test("[N5] the time that tasks have begins anew", () => {
  const run = new Run();
  const [a] = run.post({ timeout_ms: 10_000 });
  run.start(a!);
  // A day on somebody's disk.
  run.now += 24 * 3600_000;
  run.step(takeOver);
  run.clock(9_999);
  expect(states(a!)).toBe("ready");
  run.clock(1);
  expect(states(a!)).toBe("failed");
});

test("[N5] open calls of tools lose their leases and have all of their time again", () => {
  const run = new Run();
  const [a] = run.post({ key: "a" });
  run.start(a!);
  run.turn(a!);
  const begin = { tool: "shell", pool: "box", timeoutMs: 60_000, retryLimit: 2, arguments: "{}" };
  run.step((step) => beginRemoteCall(step, a!, { id: "c1", ...begin }));
  run.step((step) => startCall(step, nextCall(run.state, "box", run.now)!, "w", ""));
  run.now += 24 * 3600_000;
  run.step(takeOver);
  const [call] = a!.calls;
  expect(call).toMatchObject({
    until: run.now + 60_000,
    remote: { attempts: 1, losses: 0, phase: { state: "ready" } },
  });
  expect(nextCall(run.state, "box", run.now)).toBeUndefined();
  checkState(run.state, run.now);
  run.step((step) => resumeRun(step));
  expect(nextCall(run.state, "box", run.now)?.call.id).toBe("c1");
  run.clock(60_000);
  expect(run.state.openCalls.size).toBe(0);
  checkState(run.state, run.now);
});

test("[N5] one that has ended stays as it was", () => {
  const run = new Run();
  run.step((step) => finishRun(step, false));
  const { length } = run.log;
  run.step(takeOver);
  expect(run.log).toHaveLength(length);
});
