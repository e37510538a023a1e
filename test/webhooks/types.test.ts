import { describe, expect, it } from "vitest";
import type { RunId } from "../../src/ids.ts";
import { messageId, messageText, seqOf } from "../../src/webhooks/message.ts";
import { typesChosen, usualChoices, webhookTypeOf, webhookTypes } from "../../src/webhooks/types.ts";

const run = "run_0123456789abcdefghjk" as RunId;

describe("what a webhook tells of", () => {
  it("is chosen by type, or all of a run's and all of its tasks'", () => {
    expect([...typesChosen(["run.*", "task.*"])]).toEqual([...webhookTypes]);
    expect([...typesChosen(["task.failed"])]).toEqual(["task.failed"]);
    const usual = typesChosen(usualChoices);
    expect([...usual]).toEqual(webhookTypes.filter((type) => !/created|started|retried/.test(type)));
  });

  it("is an event's of the log, by how it ended", () => {
    expect(webhookTypeOf({ type: "run_ended", status: "cancelled" })).toBe("run.cancelled");
    expect(webhookTypeOf({ type: "task_ended", task: 1, state: "skipped" })).toBe("task.skipped");
    expect(webhookTypeOf({ type: "run_imported" })).toBeUndefined();
  });

  it("is a question where a task waits for somebody outside, and not where a session does, or a task for another", () => {
    const waiting = (task: number, external: boolean) =>
      webhookTypeOf({
        ...{ type: "call_waiting", task, call: "c", targets: [], mode: "all" },
        want: { kind: "pop", names: ["q"], max: 1, external },
      });
    expect([waiting(1, true), waiting(1, false), waiting(-1, true)]).toEqual(["run.question", undefined, undefined]);
    expect(webhookTypeOf({ type: "call_waiting", task: 1, call: "c", targets: [2], mode: "all" })).toBeUndefined();
  });
});

describe("a message", () => {
  it("is named by its run and event, and found by that name in this run alone", () => {
    const id = messageId(run, 41);
    expect(id).toMatch(/^msg_[0-9a-z]+_41$/);
    expect(seqOf(run, id)).toBe(41);
    expect(seqOf("run_0123456789abcdefghjm" as RunId, id)).toBeUndefined();
    for (const other of ["", "41", `${id}x`, id.replace("_41", "_041"), id.replace("_41", "_-1"), `x${id}`])
      expect(seqOf(run, other), other).toBeUndefined();
  });

  it("has a result of null, and none where there is none to tell", () => {
    const told = { type: "task.succeeded", at: 0, run: { id: run, name: null }, event: { seq: 1 } } as const;
    expect(JSON.parse(messageText({ ...told, result: { value: null } }))).toEqual({
      type: "task.succeeded",
      timestamp: "1970-01-01T00:00:00.000Z",
      data: { run: { id: run, name: null }, event: { seq: 1 }, result: null },
    });
    expect(messageText(told)).not.toContain("result");
  });
});
