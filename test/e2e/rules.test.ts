/** Rules in Markdown on a real server: a run is created with them, held to them, and given others while it goes on. */

import { describe, expect, it } from "vitest";
import { type EventView, isProblem, type TaskSpec } from "../../src/client/index.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, says } from "./lib/sim.ts";

const server = sharedServer();
const { heddle } = server;

const refusal = async (call: Promise<unknown>) => {
  const error = await call.catch((caught: unknown) => caught);
  if (!isProblem(error)) throw new Error(`not refused: ${JSON.stringify(error)}`);
  return error;
};

/** How many of these tasks worked at once, at most, and in all. */
function mostAtOnce(events: readonly EventView[], tasks: ReadonlySet<string>): number {
  let [now, most] = [0, 0];
  for (const { type, task } of events) {
    if (!tasks.has(String(task))) continue;
    if (type === "task_started") most = Math.max(most, ++now);
    if (type === "task_ended" || type === "attempt_ended" || type === "task_parked") now--;
  }
  return most;
}

describe("a run with rules", () => {
  it("has workers for a label by a number of its own, and models by priority", async () => {
    const rules = [
      "# Resources",
      "- at most 6 workers",
      '- at most 2 workers for label "browser"',
      '- use model "small" for priority below 3',
      "- when tokens used > 1,000,000: pause",
    ];
    const run = await heddle.createRun({ rules: rules.join("\n") });
    expect(run.limits.workers).toBe(6);
    expect(run.rules).toEqual({
      rules: [
        { from: "run", line: 2, rule: "at most 6 workers" },
        { from: "run", line: 3, rule: 'at most 2 workers for label "browser"' },
        { from: "run", line: 4, rule: 'use model "small" for priority below 3' },
        { from: "run", line: 5, rule: "when tokens used > 1,000,000: pause", on: false, fired: 0, changed_at: null },
      ],
      limits: [],
      workers: { max: 6, by: { from: "run", line: 2, rule: "at most 6 workers" } },
    });
    const task = (i: number, more: Partial<TaskSpec>): TaskSpec => ({
      key: `t-${i}`,
      instructions: says("done", { latency_ms: 150 }),
      ...more,
    });
    const { tasks, notes } = await heddle.createTasks(run.id, {
      tasks: [
        ...Array.from({ length: 6 }, (_, i) => task(i, { labels: { browser: "firefox" }, priority: 9 })),
        ...Array.from({ length: 8 }, (_, i) => task(10 + i, { priority: 2 })),
      ],
    });
    expect(notes).toContainEqual(expect.stringMatching(/^By a rule \(line 4 of the run's: .* runs on "small"\.$/));
    await heddle.waitFor(run.id, { mode: "all" });
    const events = await logOf(server, run.id);
    const ids = (from: number, to: number) => new Set(tasks.slice(from, to).map(({ id }) => id));
    expect(mostAtOnce(events, ids(0, 6))).toBe(2);
    const others = mostAtOnce(events, ids(6, 14));
    expect(others).toBeGreaterThan(2);
    expect(mostAtOnce(events, ids(0, 14))).toBeLessThanOrEqual(6);
    const models = eventsOf(events, "task_ended").map(({ usage }) => (usage as { model?: string } | undefined)?.model);
    const turns = eventsOf(events, "turn").map(({ usage }) => (usage as { model?: string }).model);
    expect([...models, ...turns].filter((model) => model === "small").length).toBeGreaterThanOrEqual(8);
  });

  it("pauses where a rule says so, tells why, and goes on with others", async () => {
    const run = await heddle.createRun({ rules: "- budget 40,000 tokens\n- when tokens used > 50%: pause" });
    const spends: TaskSpec[] = Array.from({ length: 4 }, (_, i) => ({
      key: `t-${i}`,
      instructions: plays([{ text: "done", usage: { input: 8000, output: 500 } }]),
      ...(i > 0 && { after: [`t-${i - 1}`] }),
    }));
    await heddle.createTasks(run.id, { tasks: spends });
    const paused = await until("the pause", 15_000, async () => {
      const view = await heddle.run(run.id);
      return view.status === "paused" && view;
    });
    expect(paused).toMatchObject({ reason: "rule", counts: { succeeded: 3, ready: 1 } });
    expect(paused.rules!.rules[1]).toMatchObject({ on: true, fired: 1, changed_at: expect.any(Number) });
    const [fired] = eventsOf(await logOf(server, run.id), "rule_fired");
    expect(fired).toMatchObject({ from: "run", line: 2, value: 63.75, text: "when tokens used > 50%: pause" });

    // What more is asked for than the rules allow, is refused, and so are rules that are none, or allow less than is spent.
    expect(await refusal(heddle.setBudget(run.id, { tokens: 50_000 }))).toMatchObject({
      code: "bound_by_rules",
      status: 422,
    });
    expect(await refusal(heddle.setRules(run.id, "# R\n\n- budget 10 tokens"))).toMatchObject({
      code: "below_spent",
      detail: "line 3: 25500 tokens are spent.",
    });
    const wrong = await refusal(heddle.setRules(run.id, "- at most 8 wrkers\n- be nice"));
    expect(wrong).toMatchObject({ code: "rules_invalid", status: 422 });
    expect(wrong.errors).toMatchObject([{ line: 1, suggestion: "at most 8 workers" }, { line: 2 }]);
    expect((await heddle.run(run.id)).rules).toEqual(paused.rules);

    const replaced = await heddle.setRules(run.id, "- at most 1 worker\n- when tokens used > 5,000: at most 3 workers");
    expect(replaced).toMatchObject({
      status: "paused",
      limits: { tokens: null, workers: 1 },
      rules: { rules: [{ line: 1 }, { line: 2, on: true, fired: 1 }], workers: { max: 1, by: { line: 1 } } },
    });
    expect(await heddle.rules(run.id)).toEqual(replaced.rules);
    await heddle.resumeRun(run.id);
    expect(await heddle.waitFor(run.id, { mode: "all" })).toMatchObject({ counts: { succeeded: 4 } });
    expect((await heddle.setRules(run.id, "Nothing is limited.")).rules).toBeNull();
    expect(await heddle.rules(run.id)).toEqual({ rules: [], workers: { max: 16, by: null }, limits: [] });
    expect(await refusal(heddle.rules("run_00000000000000000000"))).toMatchObject({ code: "not_found" });
    const kinds = (await logOf(server, run.id)).map(({ type }) => type);
    expect(kinds.filter((type) => type === "rules_set")).toHaveLength(3);
    await heddle.finishRun(run.id);
    const trial = await heddle.tryRules(run.id, "# R\n- at most 1 worker\n- when tokens used > 3,000: pause");
    expect(trial.rules).toMatchObject([
      { line: 2, rule: "at most 1 worker", fired: 0, tasks: 0, first_at: null },
      { line: 3, fired: 1, tasks: 3, first_at: expect.any(Number) },
    ]);
    expect(await refusal(heddle.tryRules(run.id, "- be nice"))).toMatchObject({ code: "rules_invalid" });
    expect(await refusal(heddle.setRules(run.id, "- at most 2 workers"))).toMatchObject({ code: "run_ended" });
  });

  it("halves its workers while the provider fails", async () => {
    const run = await heddle.createRun({
      rules: "- at most 8 workers\n- when provider errors > 20% over 5 minutes: halve workers",
    });
    const fails: TaskSpec[] = Array.from({ length: 6 }, (_, i) => ({
      key: `t-${i}`,
      retries: { limit: 3, backoff_ms: 10 },
      instructions: plays([{ text: "done", fail: { status: 500, times: 1 } }]),
    }));
    await heddle.createTasks(run.id, { tasks: fails });
    await heddle.waitFor(run.id, { mode: "all" });
    const { rules } = await heddle.run(run.id);
    const halve = { from: "run", line: 2, rule: "when provider errors > 20% over 5 minutes: halve workers" };
    expect(rules!.workers).toEqual({ max: 4, by: halve });
    const [fired] = eventsOf(await logOf(server, run.id), "rule_fired");
    expect(fired).toMatchObject({ level: 1, value: expect.any(Number) });
    expect(fired!.value).toBeGreaterThan(20);
  });

  it("is not created with what is no rule, and nothing of it is there", async () => {
    const error = await refusal(heddle.createRun({ name: "unruly", rules: "at most 8 workers\n\n- at most 8 wrkers" }));
    expect(error).toMatchObject({ code: "rules_invalid", detail: expect.stringMatching(/^line 3: /) });
    const { runs } = await heddle.listRuns({ limit: 1000 });
    expect(runs.filter(({ name }) => name === "unruly")).toEqual([]);
    expect(await refusal(heddle.setRules("run_0123456789abcdefghjk", "- at most 8 workers"))).toMatchObject({
      code: "not_found",
    });
    const put = (body: string, type = "application/json") =>
      fetch(`${server.url}/v1/runs/run_0123456789abcdefghjk/rules`, {
        method: "PUT",
        body,
        headers: { authorization: "Bearer hdl_local", "content-type": type },
      });
    expect([(await put("- at most 8 workers")).status, (await put("{}")).status]).toEqual([400, 422]);
    expect((await put("- at most 8 workers", "text/markdown")).status).toBe(415);
  });
});
