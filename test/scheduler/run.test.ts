import { describe, expect, test } from "vitest";
import { runIdleMs } from "../../src/limits.ts";
import {
  cancelRun,
  changeBudget,
  finishRun,
  pauseRun,
  resumeRun,
  retainRun,
} from "../../src/scheduler/run-commands.ts";
import { checkState } from "./check.ts";
import { Run, states } from "./run.ts";

describe("a run", () => {
  test("[N1] paused, it leases nothing; what runs goes on, what becomes ready waits", () => {
    const run = new Run();
    const [a, b] = run.post({ key: "a" }, { after: ["a"] });
    run.start(a!);
    run.step((step) => pauseRun(step));
    run.turn(a!);
    run.complete(a!);
    expect(states(b!)).toBe("ready");
    expect(run.lease()).toBeUndefined();
    expect(run.state.header).toMatchObject({ status: "paused", reason: "asked" });
    run.step((step) => resumeRun(step));
    expect(run.lease()).toBe(b);
  });

  test("[N1] pausing twice changes nothing, resuming what is not paused is refused", () => {
    const run = new Run();
    expect(run.step((step) => resumeRun(step))?.code).toBe("run_not_paused");
    run.step((step) => pauseRun(step));
    const logged = run.log.length;
    expect(run.step((step) => pauseRun(step))).toBeUndefined();
    expect(run.log.length).toBe(logged);
  });

  test("[N2] cancelled, all that lives is cancelled and nothing skipped", () => {
    const run = new Run();
    const [a, b] = run.post({ key: "a" }, { after: ["a"] });
    const [child] = run.make(run.start(a!), {});
    run.step((step) => cancelRun(step, "enough"));
    expect(states(a!, b!, child!)).toBe("cancelled cancelled cancelled");
    expect(run.state.header).toMatchObject({ status: "cancelled", reason: "enough", endedAt: run.now });
    const logged = run.log.length;
    run.step((step) => cancelRun(step, "again"));
    expect(run.log.length).toBe(logged);
    checkState(run.state, run.now);
  });

  test("[N2] with a root it is cancelled as the root is", () => {
    const run = new Run();
    run.root();
    run.step((step) => cancelRun(step, "enough"));
    expect(run.state.header.status).toBe("cancelled");
    expect(run.events("run_ended")).toHaveLength(1);
  });

  test("[N2] an ended run takes no command but those that change nothing", () => {
    const run = new Run();
    run.step((step) => finishRun(step, false));
    const logged = run.log.length;
    const refusals = run.step((step) => [
      pauseRun(step),
      resumeRun(step),
      changeBudget(step, { tokens: 5 }),
      finishRun(step, true),
      cancelRun(step, ""),
    ]);
    expect(refusals.map((refusal) => refusal?.code)).toEqual([
      "run_ended",
      "run_ended",
      "run_ended",
      undefined,
      undefined,
    ]);
    expect(run.log.length).toBe(logged);
  });

  test("[N6] it is kept as long as the last word says, which may come after its end", () => {
    const run = new Run();
    expect(run.state.header.retentionDays).toBeUndefined();
    run.step((step) => retainRun(step, 7));
    run.step((step) => finishRun(step, true));
    const { endedAt } = run.state.header;
    run.step((step) => retainRun(step, 90));
    const logged = run.log.length;
    run.step((step) => retainRun(step, 90));
    expect(run.log.length).toBe(logged);
    expect(run.state.header).toMatchObject({ retentionDays: 90, status: "succeeded", endedAt });
  });

  test("[N3] finish is refused while tasks live, or cancels them", () => {
    const run = new Run();
    const [a] = run.post({});
    expect(run.step((step) => finishRun(step, false))?.code).toBe("tasks_live");
    run.step((step) => finishRun(step, true));
    expect([states(a!), run.state.header.status]).toEqual(["cancelled", "succeeded"]);
  });

  test("[N3] it failed when a task failed and nobody has seen it", () => {
    const run = new Run();
    const [a] = run.post({});
    run.fail(a!);
    run.step((step) => finishRun(step, false));
    expect(run.state.header).toMatchObject({ status: "failed", reason: "unhandled_failure" });
  });

  test.each([
    ["succeed", "succeeded"],
    ["fail", "failed"],
    ["cancel", "cancelled"],
  ] as const)("[N4] with a root that you let %s it has %s", (how, status) => {
    const run = new Run();
    const root = run.root();
    const [a] = run.post({});
    run[how](root);
    expect([run.state.header.status, states(a!)]).toEqual([status, "cancelled"]);
    checkState(run.state, run.now);
  });

  test("[N4] with a root it ends even while it is paused, and only after the root's children", () => {
    const run = new Run();
    const root = run.root();
    const [child] = run.make(run.start(root), {});
    run.start(child!);
    run.complete(root);
    run.step((step) => pauseRun(step));
    expect(run.state.header.status).toBe("paused");
    run.complete(child!);
    expect(run.state.header.status).toBe("succeeded");
  });

  test("[N4] idle without a root it ends by itself, as finish would end it", () => {
    const run = new Run();
    const [a] = run.post({});
    run.clock(2 * runIdleMs);
    expect(run.state.header.status).toBe("active");
    run.fail(a!);
    run.clock(runIdleMs - 1);
    expect(run.state.header.status).toBe("active");
    run.clock(1);
    expect(run.state.header).toMatchObject({ status: "failed", reason: "unhandled_failure" });
  });
});
