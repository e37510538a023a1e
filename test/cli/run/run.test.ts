/** `heddle run` from the first call to the summary, as a process. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type Answer, type Call, problem, TestServer } from "../lib/contract-server.ts";
import { HeddleProcess, heddle, until } from "../lib/heddle.ts";

vi.setConfig({ testTimeout: 30_000 });
const server = new TestServer(() => ({ status: 200 }));
beforeAll(() => server.start());
afterAll(() => server.stop());

const job = JSON.stringify({ name: "j", tasks: [{ key: "a", instructions: "x" }] });
const counts = { waiting: 0, ready: 0, running: 0, parked: 0, succeeded: 1, failed: 0, cancelled: 0, skipped: 0 };
const usage = { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0, tokens: 0 };
const view = (status: string) => ({
  ...{ id: "run_1", name: "j", status, reason: null, root: null, snapshot: "s", counts, usage, last_seq: 3 },
  ...{ created_at: Date.now() - 5, ended_at: status === "active" ? null : Date.now() },
});
const task = { id: "T1-x", key: "a", title: null, state: "succeeded", result: { litres: 1.7 }, error: null };

/** A run whose only task has succeeded by the time that anybody looks. */
function finished({ method, path }: Call): Answer {
  if (path === "/health") return { status: 200, body: { status: "ready" } };
  if (method === "GET" && path.startsWith("/v1/runs/run_1/tasks")) {
    return { status: 200, body: { tasks: path.includes("state=succeeded") ? [task] : [], next_cursor: null } };
  }
  if (path.includes("/events")) return { status: 200, body: "", headers: { "content-type": "text/event-stream" } };
  if (path.endsWith("/wait")) return { status: 200, body: { done: true, counts, failed: [] } };
  if (path.endsWith("/tasks")) return { status: 201, body: { tasks: [task], projection: {} } };
  return { status: path === "/v1/runs" ? 201 : 200, body: view(path.endsWith("/finish") ? "succeeded" : "active") };
}

const run = (...args: string[]) => heddle(["run", ...args, "-"], { env: { HEDDLE_URL: server.url }, input: job });

it("ends with what became of the tasks, a small run's results, and a command that works without a key set", async () => {
  server.handler = finished;
  const { status, stdout } = await run();
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Run run_1 "j": succeeded$/m);
  expect(stdout).toMatch(/^ {2}result {3}a: \{"litres":1\.7\}$/m);
  expect(stdout).toMatch(/Bearer \$\{HEDDLE_API_KEY:-hdl_local\}/);
});

it("says what waits for an answer, and how to look at it", async () => {
  let asked = 0;
  server.handler = (call) => {
    if (call.path === "/v1/runs/run_1" && call.method === "GET" && asked++ < 3)
      return { status: 200, body: { ...view("active"), questions: 2 } };
    if (call.path.endsWith("/wait") && asked < 3) return { status: 200, body: { done: false, counts, failed: [] } };
    return finished(call);
  };
  const { status, stderr } = await run();
  expect(status).toBe(0);
  expect(stderr).toContain("1 succeeded; questions: 2 wait for an answer: heddle questions run_1");
});

it("passes a run's own tools on as the file has them", async () => {
  const created: unknown[] = [];
  server.handler = (call) => {
    if (call.path === "/v1/runs") created.push(call.body);
    return finished(call);
  };
  const tools = [{ name: "shell", description: "d", input_schema: { type: "object" }, pool: "box" }];
  const input = JSON.stringify({ name: "j", tools, tasks: [{ key: "a", instructions: "x" }] });
  const { status } = await heddle(["run", "-"], { env: { HEDDLE_URL: server.url }, input });
  expect([status, created]).toEqual([0, [{ name: "j", tools }]]);
});

it("holds the run to a file of rules, and creates none where a line of it is no rule", async () => {
  const created: unknown[] = [];
  server.handler = (call) => {
    if (call.path === "/v1/runs") created.push(call.body);
    return finished(call);
  };
  const folder = mkdtempSync(join(tmpdir(), "heddle-run-rules-"));
  try {
    const path = join(folder, "R.md");
    writeFileSync(path, "- at most 8 workers\n");
    expect((await run("--rules", path)).status).toBe(0);
    expect(created).toEqual([{ name: "j", rules: "- at most 8 workers\n" }]);
    writeFileSync(path, "- at most 8 wrkers\n");
    const refused = await run("--rules", path);
    expect([refused.status, created.length]).toEqual([2, 1]);
    expect(refused.stderr).toMatch(
      /R\.md:1: .* Did you mean: at most 8 workers\nheddle: .*R\.md has lines that are no rules/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("--json begins with the run's id and ends with the run as it ended", async () => {
  server.handler = finished;
  const { stdout } = await run("--json");
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines[0]).toMatchObject({ event: "created", run: "run_1" });
  expect(lines.at(-1)).toMatchObject({ event: "end", all_succeeded: true, run: { status: "succeeded" } });
  expect(lines.at(-1).succeeded).toMatchObject([{ key: "a", result: { litres: 1.7 } }]);
});

it("--json says that it left a run that goes on", async () => {
  server.handler = async (call) => (call.path.endsWith("/wait") ? new Promise<never>(() => undefined) : finished(call));
  const { status, stdout, stderr } = await run("--json", "--wait-ms", "200");
  expect(status).toBe(1);
  expect(JSON.parse(stdout.trim().split("\n").at(-1)!)).toMatchObject({ event: "left", run: "run_1", why: "time" });
  expect(stderr).toMatch(/heddle watch run_1/);
});

it("cancels a run that comes to be after it was interrupted", async () => {
  let created: (answer: Answer) => void = () => undefined;
  server.handler = (call) =>
    call.method === "POST" && call.path === "/v1/runs"
      ? new Promise<Answer>((resolve) => (created = resolve))
      : finished(call);
  const before = server.calls.length;
  const process = new HeddleProcess(["run", "-"], { env: { HEDDLE_URL: server.url }, input: job });
  await until(() => server.calls.slice(before).some(({ path }) => path === "/v1/runs"));
  process.child.kill("SIGINT");
  // The signal is on its way; had it ended the call, nobody would hear of the run.
  await new Promise((resolve) => setTimeout(resolve, 300));
  created({ status: 201, body: view("active") });
  const { status, stderr } = await process.ended;
  expect({ status, stderr }).toEqual({
    status: 130,
    stderr: "Interrupted before all tasks were posted. The run was cancelled.\n",
  });
  expect(server.calls.slice(before).map(({ path }) => path)).toContain("/v1/runs/run_1/cancel");
});

it("does not say that it cancelled a run of which it never heard", async () => {
  server.handler = (call) =>
    call.method === "POST" && call.path === "/v1/runs" ? new Promise<never>(() => undefined) : finished(call);
  const before = server.calls.length;
  const process = new HeddleProcess(["run", "-"], { env: { HEDDLE_URL: server.url }, input: job });
  await until(() => server.calls.slice(before).some(({ path }) => path === "/v1/runs"));
  process.child.kill("SIGINT");
  const { status, stderr } = await process.ended;
  expect({ status, stderr }).toEqual({
    status: 130,
    stderr:
      "Interrupted before all tasks were posted. The server has not said whether there is a run. See: heddle runs\n",
  });
});

it("says when a run that was interrupted could not be cancelled", async () => {
  server.handler = (call) => {
    if (call.path.endsWith("/cancel")) return problem(500, "internal");
    return call.method === "POST" && call.path.endsWith("/tasks")
      ? new Promise<never>(() => undefined)
      : finished(call);
  };
  const before = server.calls.length;
  const process = new HeddleProcess(["run", "-"], { env: { HEDDLE_URL: server.url }, input: job });
  await until(() => server.calls.slice(before).some(({ path }) => path.endsWith("/tasks")));
  process.child.kill("SIGINT");
  const { status, stderr } = await process.ended;
  expect(status).toBe(130);
  expect(stderr).toBe(
    "Interrupted before all tasks were posted. The run could not be cancelled, and goes on. Cancel it: heddle cancel run_1\n",
  );
});

it("cancels a run whose tasks were not all posted when it is interrupted", async () => {
  server.handler = async (call) =>
    call.method === "POST" && call.path.endsWith("/tasks") ? new Promise<never>(() => undefined) : finished(call);
  const before = server.calls.length;
  const process = new HeddleProcess(["run", "-"], { env: { HEDDLE_URL: server.url }, input: job });
  await until(() => server.calls.slice(before).some(({ path }) => path.endsWith("/tasks")));
  process.child.kill("SIGINT");
  const { status, stderr } = await process.ended;
  expect({ status, stderr }).toEqual({
    status: 130,
    stderr: "Interrupted before all tasks were posted. The run was cancelled.\n",
  });
  expect(server.calls.at(-1)).toMatchObject({ path: "/v1/runs/run_1/cancel" });
});

it("says what to set when the key is unknown", async () => {
  server.handler = (call) => (call.path === "/health" ? finished(call) : problem(401, "unauthorized"));
  const { status, stderr } = await run();
  expect(status).toBe(1);
  expect(stderr).toMatch(/\(unauthorized\)\nSet HEDDLE_API_KEY to a key of this server/);
});

it("leaves fields of a later Heddle to the server", async () => {
  server.handler = (call) =>
    call.path === "/health"
      ? finished(call)
      : problem(422, "not_available", { errors: [{ path: "oversight", message: "not yet" }] });
  const { status, stderr } = await heddle(["run", "-"], {
    env: { HEDDLE_URL: server.url },
    input: '{"oversight": "# R", "tasks": [{"instructions": "x"}]}',
  });
  expect(stderr).toMatch(/The server refuses the file: .*\(not_available\)\n {2}oversight \(line 1\): not yet/);
  expect(status).toBe(2);
});

it("says that the server is away while it waits for it, and that it is back", async () => {
  server.handler = (call) =>
    call.path.endsWith("/wait") ? { status: 200, body: { done: false, counts, failed: [] } } : finished(call);
  const watching = new HeddleProcess(["watch", "run_1"], { env: { HEDDLE_URL: server.url } });
  await until(() => watching.stderr.includes("1 succeeded"));
  await server.stop();
  await until(() => watching.stderr.includes(`${server.url} does not answer; trying again until it does.`));
  await server.start();
  await until(() => watching.stderr.includes("The server answers again."));
  server.handler = finished;
  expect((await watching.ended).status).toBe(0);
  expect(watching.stderr.match(/does not answer/g)).toHaveLength(1);
});

it("says for which pool ready tasks wait when nothing runs, once", async () => {
  const waiting = { ...counts, ready: 2, succeeded: 0 };
  let served = false;
  server.handler = (call) => {
    if (served) return finished(call);
    if (call.path.endsWith("/wait")) return { status: 200, body: { done: false, counts: waiting, failed: [] } };
    if (call.path.includes("/tasks?"))
      return {
        status: 200,
        body: {
          tasks: [
            { ...task, pool: "box" },
            { ...task, pool: "box" },
          ],
          next_cursor: null,
        },
      };
    if (call.path === "/v1/runs/run_1") return { status: 200, body: { ...view("active"), counts: waiting } };
    return finished(call);
  };
  const watching = new HeddleProcess(["watch", "run_1"], { env: { HEDDLE_URL: server.url } });
  const hint = "ready tasks wait for a worker of the pool box, as: heddle work --pool box -- COMMAND";
  await until(() => watching.stderr.includes(hint));
  served = true;
  expect((await watching.ended).status).toBe(0);
  expect(watching.stderr.split(hint)).toHaveLength(2);
});

it("says once that the run is paused, why, and the command that ends it", async () => {
  let looks = 0;
  let isOver = false;
  server.handler = async (call) => {
    if (call.path.endsWith("/wait")) {
      await until(() => looks > 2);
      isOver = true;
    }
    const answer = finished(call);
    if (call.path !== "/v1/runs/run_1" || isOver) return answer;
    looks++;
    return { status: 200, body: { ...view("active"), status: "paused", reason: "asked" } };
  };
  const { status, stderr } = await run();
  expect(status).toBe(0);
  expect(stderr.match(/^The run is paused \(asked\)\. It goes on: heddle resume run_1$/gm)).toHaveLength(1);
});

it("leaves off at a signal also while the run that has ended is finished by a server that says nothing", async () => {
  const asked = Promise.withResolvers<void>();
  server.handler = (call) => {
    if (!call.path.endsWith("/finish")) return finished(call);
    asked.resolve();
    return new Promise(() => undefined);
  };
  const watching = new HeddleProcess(["run", "-"], { env: { HEDDLE_URL: server.url }, input: job });
  await asked.promise;
  watching.child.kill("SIGINT");
  const { status, stderr } = await watching.ended;
  expect([status, stderr]).toEqual([130, expect.stringContaining("heddle watch run_1")]);
});
