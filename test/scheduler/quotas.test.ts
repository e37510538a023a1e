import { describe, expect, test } from "vitest";
import { nextReady, startableIn } from "../../src/scheduler/attempts.ts";
import { type AllowedTokens, quotaEvent } from "../../src/scheduler/quotas.ts";
import { cancelRun, pauseRun, resumeRun } from "../../src/scheduler/run-commands.ts";
import { Run } from "./run.ts";

const tell = (run: Run, tokens: AllowedTokens | undefined) => {
  run.state.allowed = tokens?.allowed ?? Number.POSITIVE_INFINITY;
  const event = quotaEvent(run.state, tokens);
  if (event) run.step((step) => step.emit(event));
};
const ready = (run: Run) => nextReady(run.state, "hosted", run.now)?.n;
const status = ({ state: { header } }: Run) => [header.status, header.reason, header.quota?.until];

describe("a quota of tokens", () => {
  test("[QT1] lets nothing begin beyond what was told, and pauses the run where that is all there is", () => {
    const run = new Run();
    run.post({}, {});
    tell(run, { allowed: 0, limit: 100 });
    expect([ready(run), startableIn(run.state, "hosted", run.now), status(run)[0]]).toEqual([undefined, 0, "active"]);
    tell(run, { allowed: 100, limit: 100 });
    expect(ready(run)).toBeDefined();
    tell(run, { allowed: 0, limit: 100, until: run.now + 5000 });
    expect(status(run)).toEqual(["paused", "quota", run.now + 5000]);
    expect(run.events("run_paused").at(-1)).toEqual({
      ...{ type: "run_paused", reason: "quota" },
      quota: { name: "tokens_per_day", limit: 100, until: run.now + 5000 },
    });
  });

  test("[QT2] ends the pause by itself when there are more, or no quota; nobody can before, and is told when", () => {
    const run = new Run();
    const [task] = run.post({});
    const until = run.now + 90_000;
    tell(run, { allowed: 0, limit: 100, until });
    expect(run.step((step) => resumeRun(step))).toMatchObject({ code: "quota_exceeded", retryAfterS: 90 });
    tell(run, { allowed: 0, limit: 100, until });
    expect(run.events("run_paused")).toHaveLength(1);
    tell(run, { allowed: 500, limit: 500 });
    expect([...status(run), ready(run)]).toEqual(["active", "", undefined, task!.n]);
    tell(run, { allowed: 0, limit: 100, until });
    tell(run, undefined);
    expect(status(run)[0]).toBe("active");
  });

  test("[QT2] leaves a pause by hand to whoever paused it", () => {
    const run = new Run();
    run.post({});
    tell(run, { allowed: 0, limit: 100, until: run.now + 90_000 });
    run.step((step) => pauseRun(step));
    expect(status(run)).toEqual(["paused", "asked", undefined]);
    tell(run, { allowed: 500, limit: 500 });
    expect(status(run)[0]).toBe("paused");
    expect(run.step((step) => resumeRun(step))).toBeUndefined();
  });

  test("[QT2] is nothing that a run which has ended meanwhile waits for", () => {
    const run = new Run();
    run.post({});
    tell(run, { allowed: 0, limit: 100, until: run.now + 90_000 });
    run.step((step) => cancelRun(step, "enough"));
    expect(status(run)).toEqual(["cancelled", "enough", undefined]);
  });
});
