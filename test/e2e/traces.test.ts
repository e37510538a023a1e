/** Where a run's time went, told by a real server of real runs. */

import { describe, expect, it } from "vitest";
import { sharedServer } from "./lib/shared.ts";
import { plays, says } from "./lib/sim.ts";

const { heddle } = sharedServer();
const takes = (latency_ms: number) => plays([{ text: "done", latency_ms }]);

describe("GET /critical-path", () => {
  it("sums to the makespan, and tells a chain from what had slack", async () => {
    const { id } = await heddle.createRun({});
    await heddle.createTasks(id, {
      tasks: [
        { key: "first", instructions: takes(300) },
        { key: "second", instructions: takes(300), after: ["first"] },
        { key: "short", instructions: takes(50) },
      ],
    });
    await heddle.waitFor(id, { mode: "all" });
    const run = await heddle.run(id);
    const found = await heddle.criticalPath(id);
    expect(found).toMatchObject({ run: id, as_of: run.last_seq, path_left_out_ms: 0, tasks_left_out: 0 });
    expect(found.path.reduce((sum, { ms }) => sum + ms, 0)).toBe(found.makespan_ms);
    for (const [i, { to }] of found.path.entries()) expect(found.path[i + 1]?.from ?? found.ended_at).toBe(to);
    const keys = found.path.filter(({ kind }) => kind === "model").map(({ key }) => key);
    expect(keys).toEqual(["first", "second"]);
    expect(found.by_kind.model).toBeGreaterThanOrEqual(600);
    expect(found.ideal.makespan_ms).toBeLessThanOrEqual(found.makespan_ms);
    expect(found.ideal.path.map(({ key }) => key)).toEqual(["first", "second"]);
    const slack = Object.fromEntries(found.tasks.map(({ key, slack_ms }) => [key, slack_ms]));
    expect(slack).toMatchObject({ first: 0, second: 0 });
    expect(slack.short).toBeGreaterThan(200);
    expect((await heddle.criticalPath(id, { limit: 1 })).tasks_left_out).toBe(2);
  });

  it("has no path while nothing has ended, and none of another tenant's run", async () => {
    const { id } = await heddle.createRun({});
    await heddle.createTasks(id, { tasks: [{ instructions: says("hi"), pool: "nobody" }] });
    expect(await heddle.criticalPath(id)).toMatchObject({ ended_at: null, path: [], ideal: { makespan_ms: 0 } });
    await expect(heddle.criticalPath("run_00000000000000000000")).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("GET /trace", () => {
  it("is a document of each format, of a run that goes on too", async () => {
    const { id } = await heddle.createRun({ name: "weave" });
    await heddle.createTasks(id, {
      tasks: [
        { key: "first", instructions: takes(50) },
        { key: "second", instructions: takes(50), after: ["first"] },
        { key: "waits", instructions: says("hi"), pool: "nobody" },
      ],
    });
    await heddle.waitFor(id, { tasks: ["second"] });

    interface Chrome {
      otherData: object;
      traceEvents: { ph: string; name: string; args: Record<string, unknown> }[];
    }
    const chrome = (await (await heddle.trace(id)).json()) as Chrome;
    expect(chrome.otherData).toEqual({ run: id, name: "weave" });
    const parts = chrome.traceEvents;
    const slices = parts.filter(({ ph }) => ph === "X").map(({ name }) => name);
    expect(slices).toEqual(expect.arrayContaining(["first", "second", "waits", "model", "dependencies"]));
    expect(parts.find(({ name, args }) => name === "waits" && args.state)?.args).toMatchObject({ state: "unfinished" });
    expect(parts.filter(({ ph }) => ph === "s")).toHaveLength(1);

    interface Otlp {
      resourceSpans: { scopeSpans: { spans: { name: string; attributes: { key: string }[] }[] }[] }[];
    }
    const otlp = (await (await heddle.trace(id, { format: "otlp" })).json()) as Otlp;
    const { spans } = otlp.resourceSpans[0]!.scopeSpans[0]!;
    const names = spans.map(({ name }) => name);
    expect(names.filter((name) => name === "chat simulated")).toHaveLength(2);
    expect(names).toEqual(expect.arrayContaining(["weave", "invoke_agent first", "attempt 1", "ready"]));
    const chat = spans.find(({ name }) => name === "chat simulated")!.attributes;
    expect(chat).toContainEqual({ key: "gen_ai.operation.name", value: { stringValue: "chat" } });
    expect(chat.map(({ key }) => key)).toContain("gen_ai.response.time_to_first_chunk");

    const rows = (await (await heddle.trace(id, { format: "csv" })).text()).trim().split("\r\n");
    expect(rows.map((row) => row.split(",")[1])).toEqual(["key", "first", "second", "waits"]);
    await expect(heddle.trace("run_00000000000000000000")).rejects.toMatchObject({ code: "not_found" });
  });
});
