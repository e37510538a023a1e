import { describe, expect, test } from "vitest";
import { newRunSeatsMax } from "../../src/limits.ts";
import { nextReady, startableIn } from "../../src/scheduler/attempts.ts";
import { seatsWanted, shareTold, shareWithoutGate } from "../../src/scheduler/seat-shares.ts";
import { checkState } from "./check.ts";
import { Run } from "./run.ts";

const tell = (run: Run, seats: number, why: "tenant" | "deployment" = "tenant") => {
  const event = shareTold(run.state, { seats, why });
  if (event) run.step((step) => step.emit(event));
  return event;
};
const ready = (run: Run) => nextReady(run.state, "hosted", run.now)?.n;
const tasks = (count: number, pool = "hosted") => Array.from({ length: count }, () => ({ pool }));

test("[SH1] what it was told last holds before the log has it", () => {
  const run = new Run({ workers: 10 });
  run.post(...tasks(5));
  tell(run, 4);
  run.state.told = { seats: 1, why: "tenant" };
  expect(startableIn(run.state, "hosted", run.now)).toBe(1);
  run.state.told = { seats: 3, why: "tenant" };
  expect(startableIn(run.state, "hosted", run.now)).toBe(3);
});

describe("[SH1] a share", () => {
  test("bounds hosted tasks at work, and none of another pool", () => {
    const run = new Run({ workers: 10, pools: ["hosted", "box"] });
    run.post(...tasks(5), ...tasks(2, "box"));
    tell(run, 2);
    run.lease();
    expect([startableIn(run.state, "hosted", run.now), seatsWanted(run.state)]).toEqual([1, 5]);
    run.lease();
    expect([ready(run), startableIn(run.state, "hosted", run.now), seatsWanted(run.state)]).toEqual([undefined, 0, 5]);
    expect(run.lease("box")).toBeDefined();
    checkState(run.state, run.now);
  });

  test("that became smaller takes no task from its seat: as tasks end, no other begins until there is room", () => {
    const run = new Run({ workers: 10 });
    run.post(...tasks(6));
    const [a, b, c] = [run.lease()!, run.lease()!, run.lease()!];
    tell(run, 1);
    expect([a, b, c].map(({ phase }) => phase.state)).toEqual(["running", "running", "running"]);
    run.complete(a);
    expect(ready(run)).toBeUndefined();
    run.complete(b);
    expect(ready(run)).toBeUndefined();
    run.complete(c);
    expect(ready(run)).toBeDefined();
    tell(run, 10);
    expect(startableIn(run.state, "hosted", run.now)).toBe(3);
  });

  test("does not count what a run's own limits keep from working", () => {
    const run = new Run({ workers: 3 });
    run.post(...tasks(5));
    expect(seatsWanted(run.state)).toBe(3);
    run.step((step) => step.emit({ type: "run_paused", reason: "asked" }));
    expect(seatsWanted(run.state)).toBe(0);
  });
});

test("[SH2] the log has a share where it binds, once, and when it no longer does", () => {
  const run = new Run({ workers: 10 });
  expect(tell(run, 10)).toBeUndefined();
  expect(tell(run, 4)).toEqual({ type: "seat_target", seats: 4, why: "tenant" });
  expect(tell(run, 4)).toBeUndefined();
  expect(tell(run, 4, "deployment")).toMatchObject({ why: "deployment" });
  expect(tell(run, 4000)).toEqual({ type: "seat_target" });
  expect(tell(run, 4000)).toBeUndefined();
  expect(run.state.header.share).toBeUndefined();
});

test("[SH3] before it is told anything a run has some, and who was told to wait does not wait for a gate that is away", () => {
  const run = new Run({ workers: 1000 });
  run.post(...tasks(newRunSeatsMax + 10));
  run.state.isUntold = true;
  expect(startableIn(run.state, "hosted", run.now)).toBe(newRunSeatsMax);
  run.state.isUntold = false;
  tell(run, 0);
  expect(ready(run)).toBeUndefined();
  run.state.told = shareWithoutGate(run.state);
  expect(startableIn(run.state, "hosted", run.now)).toBe(1);
  expect(shareWithoutGate(run.state)).toBeUndefined();
});
