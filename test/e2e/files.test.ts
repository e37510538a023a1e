/** A run saved on one real server and taken in on a second one, which has other secrets: read there, and resumed to its end. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "./lib/log.ts";
import { result } from "./lib/outcome.ts";
import { LocalServer, projectRoot } from "./lib/server.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, says } from "./lib/sim.ts";

const first = sharedServer();
let second: LocalServer;
const folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
const main = join(projectRoot, "dist/cli/main.js");
beforeAll(async () => {
  second = await LocalServer.start();
});
afterAll(async () => {
  await second?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The command as a person types it, against one of the servers. */
function heddle(server: LocalServer, ...args: string[]) {
  const env = { ...process.env, HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_local" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: folder,
    env,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

const kid = (key: string, latencyMs = 0) => ({
  key,
  instructions: plays([
    { calls: [{ tool: "shared_map", arguments: { op: "set", name: "found", key, value: { by: key } } }] },
    { text: `${key} is done`, latency_ms: latencyMs },
  ]),
});
const root = (latencyMs = 0) => ({
  instructions: plays([
    {
      calls: [
        { tool: "create_task", arguments: { tasks: [kid("x"), kid("y", latencyMs)] } },
        { tool: "atomic", arguments: { op: "add", name: "n", delta: 7 } },
      ],
    },
    { calls: [{ tool: "await_tasks", arguments: { tasks: ["x", "y"] } }] },
    { text: "all is done" },
  ]),
});
const context = {
  format: "anthropic" as const,
  system: "You are thorough.",
  messages: [
    { role: "user", content: "The project: é \u{1F600}" },
    { role: "assistant", content: "Understood." },
  ],
};

describe("a run as a file, from server to server", () => {
  it("that has ended is read there as here", async () => {
    const { id } = await first.heddle.createRun({ name: "shared", context, root: root() });
    await first.heddle.waitFor(id, { mode: "settled" });
    const saved = heddle(first, "export", id, "-o", "run.ndjson", "--json");
    expect(saved).toMatchObject({ status: 0 });
    expect(JSON.parse(saved.stdout)).toMatchObject({ run: id, file: "run.ndjson" });
    expect(heddle(first, "export", id, "-o", "run.ndjson")).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/--force/),
    });
    const taken = heddle(second, "import", "run.ndjson", "--json");
    expect(taken).toMatchObject({ status: 0 });
    const run = JSON.parse(taken.stdout) as { id: string };
    expect(run).toMatchObject({ name: "shared", status: "succeeded" });
    const read = async (server: LocalServer, at: string) => {
      const tasks = (await server.heddle.listTasks(at)).tasks;
      const contexts = await Promise.all(
        tasks.map((task) => server.call("GET", `/v1/runs/${at}/tasks/${task.id}/context`)),
      );
      const { events } = await server.heddle.events(at, { limit: 1000 });
      const entries = result(
        await server.heddle.callTool(at, "shared_map", { arguments: { op: "entries", name: "found" } }),
      );
      return { tasks, contexts: contexts.map(({ text }) => text), events, entries };
    };
    expect(await read(second, run.id)).toEqual(await read(first, id));
    expect((await second.heddle.listRuns()).runs).toContainEqual(
      expect.objectContaining({ id: run.id, name: "shared", status: "succeeded" }),
    );
    // Deleted there, it is still here.
    await second.heddle.deleteRun(run.id);
    expect((await second.call("GET", `/v1/runs/${run.id}`)).status).toBe(404);
    expect((await first.heddle.run(id)).status).toBe("succeeded");
  });

  it("that was live goes on there to its end", async () => {
    const { id } = await first.heddle.createRun({ context, root: root(15_000) });
    await until("one child is done and the other works", 60_000, async () => {
      const { counts } = await first.heddle.run(id);
      return counts.succeeded === 1 && counts.running === 1;
    });
    expect(heddle(first, "export", id, "-o", "live.ndjson")).toMatchObject({ status: 0 });
    await first.heddle.cancelRun(id);
    // What the slow child plays at the other end is quick.
    const taken = heddle(second, "import", "live.ndjson");
    expect(taken).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/is paused; go on with: heddle resume run_/),
    });
    const copy = taken.stdout.trim();
    expect(await second.heddle.run(copy)).toMatchObject({
      status: "paused",
      reason: "imported",
      counts: { running: 0 },
    });
    await second.heddle.resumeRun(copy);
    const { tasks } = await second.heddle.listTasks(copy);
    const seen = await second.heddle.waitFor(copy, { tasks: [tasks[0]!.id], mode: "settled" });
    expect(seen.tasks).toMatchObject([{ state: "succeeded", result: "all is done" }]);
    const get = { arguments: { op: "get", name: "n" } };
    expect(result(await second.heddle.callTool(copy, "atomic", get))).toEqual({ value: 7 });
    expect(await second.heddle.run(copy)).toMatchObject({ status: "succeeded" });
  });

  it("with a changed or missing line is refused before anything is sent", async () => {
    const { id } = await first.heddle.createRun({ context });
    await first.heddle.createTasks(id, { tasks: [{ instructions: says("x") }] });
    expect(heddle(first, "export", id, "-o", "small.ndjson")).toMatchObject({ status: 0 });
    const text = readFileSync(join(folder, "small.ndjson"), "utf8");
    writeFileSync(join(folder, "changed.ndjson"), text.replace("Understood", "Understand"));
    writeFileSync(join(folder, "cut.ndjson"), text.slice(0, -200));
    const nowhere = { url: "http://127.0.0.1:1" } as LocalServer;
    expect(heddle(nowhere, "import", "changed.ndjson")).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/was changed/),
    });
    expect(heddle(nowhere, "import", "cut.ndjson")).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/cut off/),
    });
    expect(heddle(nowhere, "import", "none.ndjson")).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/can't be read/),
    });
    expect(heddle(first, "export", "run_none")).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/not_found/),
    });
  });

  it("is refused by the server too: as a problem that names the line, in the media type it takes, under its key", async () => {
    const { id } = await first.heddle.createRun({ context });
    const text = await (
      await fetch(`${first.url}/v1/runs/${id}/export`, { headers: { authorization: "Bearer hdl_local" } })
    ).text();
    const post = async (body: string, headers: Record<string, string> = {}, path = "/v1/runs/import") => {
      const response = await fetch(second.url + path, {
        method: "POST",
        body,
        headers: { authorization: "Bearer hdl_local", "content-type": "application/x-ndjson", ...headers },
      });
      return {
        status: response.status,
        body: (await response.json()) as { code: string; id: string; run: unknown; lines: number },
      };
    };
    expect(await post(text.replace("Understood", "Understand"))).toMatchObject({
      status: 422,
      body: { code: "import_invalid", detail: expect.stringMatching(/^line \d+/) },
    });
    expect(await post(text, { "content-type": "application/json" })).toMatchObject({ status: 415 });
    expect(await post(text, { authorization: "Bearer hdl_x" })).toMatchObject({ status: 401 });
    expect(await post("")).toMatchObject({ status: 422 });
    expect(await post("nonsense")).toMatchObject({ status: 422, body: { code: "import_invalid" } });
    const key = { "idempotency-key": `k-${id}` };
    const once = await post(text, key);
    expect(once).toMatchObject({ status: 201, body: { run: { status: "paused" } } });
    expect((await post(text, key)).body.id).toBe(once.body.id);
    expect(await post(`${text}\n`, key)).toMatchObject({ status: 422 });
    // In two requests, and the first of them twice.
    const lines = text.trimEnd().split("\n");
    const begun = await post(lines.slice(0, 2).join("\n"));
    expect(begun).toMatchObject({ status: 201, body: { run: null, lines: 2 } });
    expect((await second.call("GET", `/v1/runs/${begun.body.id}`)).status).toBe(404);
    const more = `/v1/runs/import/${begun.body.id}`;
    expect(await post(lines.slice(3).join("\n"), {}, `${more}?after=3`)).toMatchObject({
      status: 409,
      body: { code: "import_gap" },
    });
    expect(await post(lines.slice(1).join("\n"), {}, `${more}?after=1`)).toMatchObject({
      status: 200,
      body: { run: { id: begun.body.id } },
    });
  });
});
