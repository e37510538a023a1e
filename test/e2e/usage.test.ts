/** What a tenant has used, as its users and its books see it: through a kill -9, by every dimension, as CSV and on the command line. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { LocalServer, projectRoot } from "./lib/server.ts";
import { says } from "./lib/sim.ts";

let server: LocalServer;
beforeAll(async () => {
  server = await LocalServer.start();
});
afterAll(() => server?.stop());

const usage = async (query: string) => (await server.call("GET", `/v1/usage?${query}`)).json;

async function used(name: string, count: number): Promise<string> {
  const { id } = await server.heddle.createRun({ name });
  const tasks = Array.from({ length: count }, (_, i) => ({ instructions: says(`${i}`), labels: { team: name } }));
  await server.heddle.createTasks(id, { tasks });
  await server.heddle.waitFor(id, { mode: "settled" });
  return id;
}

it("adds up to what the runs themselves say, through a kill -9, and outlives them", async () => {
  const first = await used("red", 3);
  expect(await usage("by=run")).toMatchObject({ complete: true, usage: [{ run: first, tasks: 3, model_calls: 3 }] });
  await server.kill();
  await server.start();
  const second = await used("blue", 2);
  const { usage: rows, complete } = await usage("by=run");
  expect(complete).toBe(true);
  for (const id of [first, second]) {
    const run = await server.heddle.run(id);
    expect(rows.find((row: { run: string }) => row.run === id)).toMatchObject({
      input_tokens: run.usage.input_tokens,
      output_tokens: run.usage.output_tokens,
      cost_usd: run.cost,
      events: run.last_seq,
    });
  }
  await server.heddle.deleteRun(first);
  const by = async (dimension: string) =>
    (await usage(`by=${dimension}`)).usage.map((row: Record<string, unknown>) => [
      row.label ?? row[dimension],
      row.tasks,
    ]);
  expect(await by("label:team")).toEqual([
    ["", 0],
    ["blue", 2],
    ["red", 3],
  ]);
  expect(await by("key")).toEqual([["local", 5]]);
  expect((await by("day")).length).toBeLessThanOrEqual(2);
});

it("has pages, CSV, a command, and words for what can't be asked", async () => {
  const page = await usage("by=run&limit=1");
  expect(page.usage).toHaveLength(1);
  const next = await usage(`by=run&limit=1&cursor=${page.next_cursor}`);
  expect(next.usage).toHaveLength(1);
  expect(next.next_cursor).toBeNull();
  const csv = await fetch(`${server.url}/v1/usage?by=label:team&format=csv`, {
    headers: { authorization: "Bearer hdl_local" },
  });
  expect(csv.headers.get("content-type")).toContain("text/csv");
  const text = await csv.text();
  expect(text.split("\r\n")[0]).toMatch(/^label,input_tokens,.*,events$/);
  expect(text).toMatch(/\r\nred,\d+/);
  for (const [query, path] of [
    ["from=yesterday", "from"],
    ["from=2026-01-02&to=2026-01-01", "from"],
    ["from=0", "from"],
    ["by=colour", "by"],
    ["by=label:", "by"],
    ["cursor=xyz", "cursor"],
    // Of the list of runs, and of another list of usage.
    ["cursor=WzEsInJ1bl8xIl0", "cursor"],
    ["by=run&cursor=WzFd", "cursor"],
    ["by=day&cursor=WyJydW5fMSJd", "cursor"],
  ]) {
    const answer = await server.call("GET", `/v1/usage?${query}`);
    expect([query, answer.status, answer.json.errors?.[0]?.path]).toEqual([query, 422, path]);
  }
  const env = { ...process.env, HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_local" };
  const command = (...args: string[]) =>
    spawnSync(process.execPath, [join(projectRoot, "dist/cli/main.js"), "usage", ...args], { env, encoding: "utf8" });
  const table = command("--by", "label:team").stdout;
  expect(table).toMatch(/^LABEL +CALLS +TOKENS IN +CACHED +OUT +COST USD +TASK SEC +TASKS$/m);
  // Room in a terminal of 80 columns for numbers much larger than these.
  expect(Math.max(...table.split("\n").map(({ length }) => length))).toBeLessThan(72);
  // The same file by either way, and its columns where there is nothing to sum up.
  expect(command("--by", "label:team", "--csv").stdout).toBe(text.replaceAll("\r\n", "\n"));
  expect(command("--csv", "--to", "2020-01-01").stdout).toMatch(/^day,input_tokens,.*,events\n$/);
  expect(JSON.parse(command("--by", "key", "--json").stdout)).toMatchObject({ key: "local", tasks: 5 });
  expect(command("--by", "colour")).toMatchObject({ status: 2, stderr: expect.stringContaining("label:NAME") });
});
