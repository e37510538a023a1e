/** Groups, fallbacks and compensations as users have them: through the HTTP API, a model's own call, and a run file. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Groups, RunSpec, TaskSpec, TaskView } from "../../src/client/index.ts";
import { eventsOf, logOf } from "./lib/log.ts";
import { projectRoot } from "./lib/server.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, says } from "./lib/sim.ts";
import { contextOf } from "./lib/transcripts.ts";

const server = sharedServer();
const { heddle } = server;

const fails = (message: string) =>
  plays([{ calls: [{ tool: "finish", arguments: { error: { code: "broken", message } } }] }]);

async function settled(run: string): Promise<Record<string, TaskView>> {
  await heddle.waitFor(run, { mode: "settled" });
  const { tasks } = await heddle.listTasks(run);
  return Object.fromEntries(tasks.map((task) => [task.key ?? task.title ?? task.id, task]));
}

async function outcome(tasks: TaskSpec[], groups: Groups = {}, spec: RunSpec = {}) {
  const run = (await heddle.createRun({ name: "groups", ...spec })).id;
  if (tasks.length > 0) await heddle.createTasks(run, { tasks, groups });
  return { run, tasks: await settled(run) };
}

describe("a fallback", () => {
  it("runs in the task's place, sees why it failed, and its result is the task's", async () => {
    const { run, tasks } = await outcome([
      { key: "given", instructions: says("the input") },
      {
        key: "main",
        instructions: fails("no such page"),
        after: ["given"],
        on_failure: { task: { title: "plan b", instructions: `use {{given}}\n${says("by hand")}` } },
      },
      { key: "after", instructions: "see {{main}}" },
    ]);
    expect(tasks.main).toMatchObject({ state: "succeeded", result: "by hand", stand_in: tasks["plan b"]!.id });
    expect(tasks["plan b"]).toMatchObject({
      parent: tasks.main!.id,
      stands_in_for: { task: tasks.main!.id, why: "fallback" },
    });
    const { messages } = await contextOf(server, run, tasks["plan b"]!.id);
    const text = messages.join("\n");
    expect(text).toContain("no such page");
    expect(text).toContain("the input");
    expect(text).toContain("you run in its place");
    const after = await contextOf(server, run, "after");
    expect(after.messages.join("\n")).toContain("by hand");
    expect(eventsOf(await logOf(server, run), "task_fell_back")).toMatchObject([{ error: { code: "broken" } }]);
  });

  it("that fails too leaves the task failed, with both in its causes", async () => {
    const { tasks } = await outcome([
      {
        key: "main",
        instructions: fails("first"),
        on_failure: { task: { title: "b", instructions: fails("second") } },
      },
    ]);
    expect(tasks.main).toMatchObject({
      state: "failed",
      error: {
        code: "broken",
        message: "first",
        because: { task: tasks.b!.id, state: "failed" },
        cause: { error: { message: "second" } },
      },
    });
  });
});

describe("a group", () => {
  const review = (key: string, instructions: string): TaskSpec => ({ key, group: "reviews", instructions });

  it("of which two must succeed lets what comes after it see all that its members came to", async () => {
    const { run, tasks } = await outcome(
      [
        review("a", says("fine")),
        review("b", fails("no eyes")),
        review("c", says("good")),
        { key: "merge", after: ["reviews"], instructions: says("merged") },
      ],
      { reviews: { require: 2 } },
    );
    expect(tasks.merge).toMatchObject({ state: "succeeded" });
    expect(tasks.b).toMatchObject({ state: "failed", group: { name: "reviews", state: "met", succeeded: 2, size: 3 } });
    const text = (await contextOf(server, run, "merge")).messages.join("\n");
    for (const part of ["fine", "good", "no eyes"]) expect(text).toContain(part);
    expect(await heddle.finishRun(run)).toMatchObject({ status: "succeeded" });
  });

  it("that fails stops the others, skips what comes after it, and has undone what was done", async () => {
    const undo = { task: { title: "undo", instructions: says("undone") } };
    const { run, tasks } = await outcome([
      { key: "book", group: "trip", instructions: says("booked room 7"), on_failure: undo },
      { key: "fly", group: "trip", after: ["book"], instructions: fails("no seats") },
      { key: "drive", group: "trip", pool: "nobody-here", instructions: "drive" },
      { key: "tell", after: ["trip"], instructions: says("told") },
    ]);
    expect(tasks.drive).toMatchObject({
      state: "cancelled",
      error: { code: "group_failed", cause: { task: tasks.fly!.id } },
    });
    expect(tasks.tell).toMatchObject({ state: "skipped", error: { code: "dependency_failed" } });
    expect(tasks.book).toMatchObject({ state: "succeeded", stand_in: tasks.undo!.id });
    expect(tasks.undo).toMatchObject({ state: "succeeded", stands_in_for: { why: "compensation" } });
    expect((await contextOf(server, run, tasks.undo!.id)).messages.join("\n")).toContain("booked room 7");
  });

  it("is had by a model's own call, and the first to succeed is enough where it says so", async () => {
    const task = (key: string, instructions: string, pool?: string) => ({
      ...{ key, instructions, group: "race" },
      ...(pool !== undefined && { pool }),
    });
    const groups = { race: { require: 1, when_met: "cancel" } };
    const racing = [task("quick", says("me first")), task("slow", "wait", "nobody-here")];
    const { tasks } = await outcome(
      [],
      {},
      {
        limits: { pools: ["nobody-here"] },
        root: {
          key: "root",
          instructions: plays([
            { calls: [{ tool: "create_task", arguments: { tasks: racing, groups } }] },
            { calls: [{ tool: "await_tasks", arguments: { tasks: ["quick", "slow"], mode: "settled" } }] },
            { text: "{{2.0.tasks.0.result}}" },
          ]),
        },
      },
    );
    expect(tasks.root).toMatchObject({ state: "succeeded", result: "me first" });
    expect(tasks.slow).toMatchObject({ state: "cancelled", error: { code: "group_met" } });
  });

  it("is refused where it can't be: terms without members, too high a bar, a name twice", async () => {
    const { id } = await heddle.createRun({});
    const post = (tasks: TaskSpec[], groups: object) => server.call("POST", `/v1/runs/${id}/tasks`, { tasks, groups });
    const refused = async (tasks: TaskSpec[], groups: object) => {
      const { status, json } = await post(tasks, groups);
      return [status, json.code, json.errors?.[0]?.path];
    };
    const x = { instructions: "x" };
    expect(await refused([x], { g: {} })).toEqual([422, "validation_failed", "groups.g"]);
    expect(await refused([{ ...x, group: "g" }], { g: { require: 2 } })).toEqual([
      ...[422, "validation_failed", "groups.g.require"],
    ]);
    expect(await refused([{ ...x, group: "g" }], { g: { require: 0 } })).toEqual([
      ...[422, "validation_failed", "groups.g.require"],
    ]);
    expect(
      await refused(
        [
          { ...x, key: "g" },
          { ...x, group: "g" },
        ],
        {},
      ),
    ).toEqual([...[422, "duplicate_key", "tasks[0].key"]]);
    expect(await refused([{ ...x, on_failure: { task: { ...x, after: ["a"] } as never } }], {})).toMatchObject([
      ...[422, "validation_failed", "tasks[0].on_failure.task.after"],
    ]);
    expect(await heddle.run(id)).toMatchObject({ counts: { ready: 0 } });
  });
});

it("a run that fails fast ends with the first failure that nothing answers for, and takes no more tasks", async () => {
  const { run, tasks } = await outcome(
    [
      { key: "a", instructions: fails("it") },
      { key: "b", pool: "nobody-here", instructions: "wait" },
    ],
    {},
    { policy: { on_failure: "cancel" } },
  );
  expect(tasks.b).toMatchObject({ state: "cancelled", error: { code: "run_ended", cause: { task: tasks.a!.id } } });
  expect(await heddle.run(run)).toMatchObject({ status: "failed", reason: "task_failed" });
  await expect(heddle.createTasks(run, { tasks: [{ instructions: "x" }] })).rejects.toMatchObject({
    code: "run_ended",
  });
});

describe("a run file", () => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const command = (...args: string[]): string => {
    const env = { ...process.env, HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_local" };
    const main = join(projectRoot, "dist/cli/main.js");
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
      cwd: folder,
      env,
      encoding: "utf8",
    });
    expect({ args, status, stderr }).toMatchObject({ status: 0 });
    return stdout.trim();
  };

  it("has them too, and an exported run comes back with them", async () => {
    const lines = [
      "policy: {on_failure: cancel}",
      "groups: {reviews: {require: 1}}",
      "tasks:",
      "  - {key: a, group: reviews, instructions: look}",
      "  - {key: b, group: reviews, pool: nobody-here, instructions: look, on_failure: {task: {instructions: else}}}",
      "  - {key: c, after: [reviews], instructions: merge}",
    ];
    writeFileSync(join(folder, "trip.yaml"), `${lines.join("\n")}\n`);
    const id = command("run", "trip.yaml", "--detach");
    await heddle.waitFor(id, { tasks: ["a"] });
    expect(await heddle.task(id, "b")).toMatchObject({ state: "ready", group: { state: "met", require: 1 } });
    await heddle.cancelRun(id);
    command("export", id, "--output", "trip.ndjson");
    const again = JSON.parse(command("import", "trip.ndjson", "--json")) as { id: string };
    expect(await heddle.task(again.id, "b")).toMatchObject({
      state: "cancelled",
      group: { name: "reviews", state: "met" },
    });
  });
});
