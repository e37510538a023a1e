/** Shared variables on a real server: map and reduce by simulated agents through a `kill -9`, and every door at once. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "./lib/log.ts";
import { result } from "./lib/outcome.ts";
import { LocalServer } from "./lib/server.ts";
import { plays } from "./lib/sim.ts";

let server: LocalServer;

beforeAll(async () => {
  server = await LocalServer.start();
});
afterAll(async () => {
  await server?.stop();
});

const mappers = 16;
const rounds = 3;

/** Counts and notes what it found in each of its rounds, all in the calls of one reply. */
const mapper = (n: number): string =>
  plays([
    ...Array.from({ length: rounds }, (_, round) => ({
      latency_ms: 300,
      calls: [
        { tool: "atomic", arguments: { op: "add", name: "found", delta: 1 } },
        { tool: "shared_map", arguments: { op: "increment", name: "by-mapper", key: `m${n}`, delta: 1 } },
        { tool: "shared_list", arguments: { op: "append", name: "order", items: [`${n}.${round}`] } },
        { tool: "shared_memory", arguments: { op: "append", name: "report", text: `line ${n}.${round}\n` } },
      ],
    })),
    { text: `mapper ${n} is done` },
  ]);

const keys = Array.from({ length: mappers }, (_, n) => `m${n}`);
const root = {
  instructions: plays([
    {
      calls: [
        {
          tool: "create_task",
          arguments: { tasks: keys.map((key, n) => ({ key, instructions: mapper(n) })) },
        },
      ],
    },
    { calls: [{ tool: "await_tasks", arguments: { tasks: keys } }] },
    { calls: [{ tool: "atomic", arguments: { op: "get", name: "found" } }] },
    { text: "found {{3.0.value}}" },
  ]),
};

describe("shared variables", () => {
  it("hold each effect of many agents exactly once, through a kill -9 in mid-run", async () => {
    const { heddle } = server;
    const { id, root: rootTask } = await heddle.createRun({ root, limits: { workers: 6 } });
    const read = async (tool: string, args: object) => result(await heddle.callTool(id, tool, { arguments: args }));
    await until("some rounds are done", 120_000, async () => {
      return Number((await read("atomic", { op: "get", name: "found" })).value) >= 20;
    });
    await server.kill();
    await server.start();
    await heddle.waitFor(id, { mode: "settled" });
    expect(await heddle.task(id, rootTask!)).toMatchObject({ state: "succeeded", result: `found ${mappers * rounds}` });
    expect(await read("atomic", { op: "get", name: "found" })).toEqual({ value: mappers * rounds });
    const { entries } = (await read("shared_map", { op: "entries", name: "by-mapper" })) as {
      entries: { key: string; value: number }[];
    };
    expect(entries.map(({ key, value }) => [key, value])).toEqual([...keys].sort().map((key) => [key, rounds]));
    const expected = keys.flatMap((_, n) => Array.from({ length: rounds }, (__, round) => `${n}.${round}`)).sort();
    const { items } = (await read("shared_list", { op: "slice", name: "order" })) as { items: string[] };
    expect([...items].sort()).toEqual(expected);
    const { text } = (await read("shared_memory", { op: "read", name: "report" })) as { text: string };
    expect(text.trim().split("\n").sort()).toEqual(expected.map((one) => `line ${one}`));
    // The run has ended: what is there can be read, and nothing written.
    const write = heddle.callTool(id, "atomic", { arguments: { op: "add", name: "found", delta: 1 } });
    await expect(write).rejects.toMatchObject({ code: "run_ended" });
  });

  it("are shared by harness, pull workers and hosted agents; each explains itself over HTTP", async () => {
    const { heddle } = server;
    const { id } = await heddle.createRun({ limits: { pools: ["vars"] } });
    const args = (name: string) => ({ arguments: { op: "add", name, delta: 1 } });
    await heddle.createTasks(id, {
      tasks: [
        { key: "hosted", instructions: plays([{ calls: [{ tool: "atomic", ...args("n") }] }, { text: "ok" }]) },
        { key: "pulled", pool: "vars", instructions: "count" },
      ],
    });
    const [lease] = await heddle.lease("vars", { worker: "w", max: 1, wait_ms: 10_000 });
    await heddle.callLeaseTool(lease!.id, "atomic", args("n"));
    await heddle.complete(lease!.id, { result: null, worker: "w" });
    await heddle.callTool(id, "atomic", args("n"));
    await heddle.waitFor(id);
    await heddle.callTool(id, "shared_map", { arguments: { op: "set", name: "odd /?#é", key: "k", value: 1 } });

    const list = await server.call("GET", `/v1/runs/${id}/variables`);
    expect(list.json).toMatchObject({
      variables: [
        { name: "n", kind: "atomic", state: { value: 3 }, holders: [], waiters: [] },
        { name: "odd /?#é", kind: "shared_map", state: { size: 1 } },
      ],
      next_cursor: null,
    });
    const one = await server.call("GET", `/v1/runs/${id}/variables/${encodeURIComponent("odd /?#é")}`);
    expect(one.json).toMatchObject({ name: "odd /?#é", ops: { set: 1 } });
    expect((await server.call("GET", `/v1/runs/${id}/variables/none`)).json).toMatchObject({ code: "not_found" });
    const mistakes: [string, object, string][] = [
      ["shared_list", { op: "size", name: "n" }, "kind_mismatch"],
      ["atomic", { op: "subtract", name: "n" }, "unknown_op"],
      ["atomic", { op: "get", name: "a\u0000b" }, "bad_name"],
      ["atomic", { op: "set", name: "n", value: "x".repeat(200_000) }, "value_too_large"],
      ["atomic", { op: "add", name: "n", delta: "one" }, "bad_arguments"],
    ];
    for (const [tool, wrong, code] of mistakes) {
      const outcome = await heddle.callTool(id, tool, { arguments: wrong });
      expect(outcome).toMatchObject({ error: { code, hint: expect.stringMatching(/\w/) } });
    }
    expect(result(await heddle.callTool(id, "atomic", { arguments: { op: "get", name: "n" } }))).toEqual({ value: 3 });
    await heddle.finishRun(id);
    await heddle.deleteRun(id);
    expect((await server.call("GET", `/v1/runs/${id}/variables/n`)).json).toMatchObject({ code: "not_found" });
  });
});
