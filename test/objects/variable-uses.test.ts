/** What a run's log tells of ops on variables that hold data (variable-uses.ts): once, in rows that are written anyway. */

import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { LeaseGrant } from "../../src/contract/shapes.ts";
import { usedKeyCharsMax, usesPerEventMax, usesWaitingMax } from "../../src/limits.ts";
import { bindings, makeRun, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const rowsOfLog = (run: TestRun): Promise<number> =>
  runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), (_, { storage }) =>
    Number(storage.sql.exec("SELECT count(*) AS n FROM log").one().n),
  );

/** A run with a task that a worker has. */
async function leased(): Promise<{ run: TestRun; id: string; lease: LeaseGrant }> {
  const run = await makeRun();
  const [id] = await run.create({ key: "t", pool: "box", instructions: "work" });
  return { run, id: id!, lease: (await run.lease())! };
}

const input = (tool: string, args: object, callId?: string) => ({
  ...{ tool, arguments: JSON.stringify(args), waitMs: 0 },
  ...(callId !== undefined && { callId }),
});
const asks = (run: TestRun, tool: string, args: object, actor?: string) =>
  run.rpc.callTool({ ...input(tool, args), ...(actor !== undefined && { actor }) });
const says = (text: string) => ({ messages: [JSON.stringify({ role: "assistant", content: text })] });
/** All uses, without how long they took; reading the log for a fold has written them. */
async function usesOf(run: TestRun): Promise<Record<string, unknown>[]> {
  value(await run.rpc.logPage(0));
  const events = (await run.events()).filter(({ type }) => type === "variables_used");
  return events.flatMap(({ uses }) => uses as Record<string, unknown>[]).map(({ ms: _, ...use }) => use);
}
const get = (key: string) => ({ op: "get", name: "m", key });
const set = (key: string, more: object = {}) => ({ op: "set", name: "m", key, value: 1, ...more });

describe("[V8] the log", () => {
  it("[U1] tells of a task's ops with its next event, in no row of their own", async () => {
    const { run, id, lease } = await leased();
    value(await run.rpc.turn(lease, says("one")));
    const before = await rowsOfLog(run);
    value(await run.rpc.leaseTool(lease, input("shared_map", get("a"))));
    value(await run.rpc.leaseTool(lease, input("shared_map", set("a"))));
    value(await run.rpc.turn(lease, says("two")));
    // The name's first use, and the turn.
    expect(await rowsOfLog(run)).toBe(before + 2);
    const events = (await run.events()).slice(-2);
    expect(events).toMatchObject([
      {
        type: "variables_used",
        gap: true,
        uses: [
          { task: id, turn: 1, name: "m", op: "get", key: "a", saw: 0 },
          { task: id, turn: 1, name: "m", op: "set", key: "a", saw: 0, made: 1 },
        ],
      },
      { type: "turn", turn: 2 },
    ]);
  });

  it("[U1] tells of them when the lease is renewed, when somebody reads it, and when very many wait", async () => {
    const { run, lease } = await leased();
    const told = async () => (await run.events()).filter(({ type }) => type === "variables_used").length;
    value(await run.rpc.leaseTool(lease, input("shared_map", set("a"))));
    expect(await told()).toBe(0);
    value(await run.rpc.renew(lease));
    expect(await told()).toBe(1);
    value(await run.rpc.leaseTool(lease, input("shared_map", set("a"))));
    value(await run.rpc.logPage(0));
    expect(await told()).toBe(2);
    value(await run.rpc.exportPage(undefined));
    expect(await told()).toBe(2);
    for (let i = 0; i < usesWaitingMax; i++) value(await asks(run, "atomic", { op: "add", name: "n", delta: 1 }));
    const last = (await run.events()).filter(({ type }) => type === "variables_used").slice(2);
    const sizes = last.map(({ uses }) => (uses as unknown[]).length);
    expect(Math.max(...sizes)).toBe(usesPerEventMax);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(usesWaitingMax);
  });

  it("counts reads of the same version, until something is written", async () => {
    const { run, lease } = await leased();
    const id = value(await run.rpc.task("t")).id;
    for (const args of [get("a"), get("a"), get("b"), get("a"), set("a"), get("a")])
      value(await run.rpc.leaseTool(lease, input("shared_map", args)));
    const of = (use: object) => ({ task: id, name: "m", op: "get", ...use });
    expect(await usesOf(run)).toEqual([
      of({ key: "a", saw: 0, times: 3 }),
      of({ key: "b", saw: 0 }),
      of({ op: "set", key: "a", saw: 0, made: 1 }),
      of({ key: "a", saw: 1 }),
    ]);
  });

  it("[U3] has an op once, however often it is asked for, and says where some may be missing", async () => {
    const { run, lease } = await leased();
    const op = input("atomic", { op: "add", name: "n", delta: 1 }, "c");
    value(await run.rpc.leaseTool(lease, op));
    value(await run.rpc.leaseTool(lease, op));
    expect(await usesOf(run)).toMatchObject([{ op: "add", saw: 0, made: 1 }]);
    value(await run.rpc.leaseTool(lease, input("atomic", { op: "get", name: "n" })));
    // What waits goes with the memory.
    await run.evict();
    value(await run.rpc.leaseTool(lease, op));
    expect(await usesOf(run)).toHaveLength(1);
    value(await run.rpc.leaseTool(lease, input("atomic", { op: "set", name: "n", value: 5 })));
    await usesOf(run);
    value(await run.rpc.leaseTool(lease, input("atomic", { op: "get", name: "n" })));
    await usesOf(run);
    const events = (await run.events()).filter(({ type }) => type === "variables_used");
    expect(events).toMatchObject([
      { gap: true },
      { gap: true, uses: [{ op: "set", saw: 1, made: 2 }] },
      { uses: [{ op: "get", saw: 2 }] },
    ]);
    expect(events[2]).not.toHaveProperty("gap");
  });

  it("[U2] tells nothing of an op whose caller is gone when it is answered", async () => {
    const { run, lease } = await leased();
    const late = run.rpc.leaseTool(lease, input("shared_map", set("a")));
    const gone = run.rpc.fail(lease, { error: { code: "x", message: "" }, retryable: false });
    await Promise.all([late, gone]);
    // Only one of the two came first; a use stands before the end or nowhere.
    const types = (await run.events()).map(({ type }) => type);
    value(await run.rpc.logPage(0));
    expect((await run.events()).map(({ type }) => type)).toEqual(types);
  });

  it("has versions of every kind, what was refused by one, ranges, and nothing of other refusals", async () => {
    const run = await makeRun();
    const does = async (tool: string, args: object) => value(await asks(run, tool, args));
    await does("shared_map", set("a", { if_version: 0 }));
    await does("shared_map", set("a", { if_version: 7 }));
    await does("shared_map", { op: "increment", name: "m", key: "a", delta: 1 });
    await does("shared_map", { op: "delete", name: "m", key: "a" });
    await does("shared_map", { op: "delete", name: "m", key: "a" });
    await does("shared_map", { op: "entries", name: "m", prefix: "x/" });
    await does("shared_list", { op: "append", name: "l", items: [1, 2, 3] });
    await does("shared_list", { op: "set", name: "l", index: 1, value: 5 });
    await does("shared_list", { op: "set", name: "l", index: 9, value: 5 });
    await does("shared_list", { op: "slice", name: "l", start: 1 });
    await does("shared_memory", { op: "append", name: "t", text: "one" });
    await does("shared_memory", { op: "edit", name: "t", old: "none", new: "two" });
    await does("shared_memory", { op: "read", name: "t" });
    await does("atomic", { op: "compare_and_set", name: "n", expected: 3, value: 4 });
    await does("atomic", { op: "compare_and_set", name: "n", expected: 0, value: 4 });
    await does("inspect", { variable: "n" });
    await does("inspect", { variable: "m" });
    expect(await usesOf(run)).toEqual([
      { name: "m", op: "set", key: "a", saw: 0, made: 1, checked: true },
      { name: "m", op: "set", key: "a", saw: 1, checked: true },
      { name: "m", op: "increment", key: "a", saw: 1, made: 2 },
      { name: "m", op: "delete", key: "a", saw: 2, made: 0 },
      { name: "m", op: "delete", key: "a", saw: 0 },
      { name: "m", op: "entries", prefix: "x/" },
      { name: "l", op: "append", from: 0, to: 3 },
      { name: "l", op: "set", key: 1, saw: 1, made: 2 },
      { name: "l", op: "slice", from: 1, to: 3 },
      { name: "t", op: "append", saw: 0, made: 1 },
      { name: "t", op: "read", saw: 1 },
      { name: "n", op: "compare_and_set", saw: 0 },
      { name: "n", op: "compare_and_set", saw: 0, made: 1 },
      { name: "n", op: "inspect" },
    ]);
  });

  it("names sessions, cuts long keys so that they stay two, and has no value", async () => {
    const run = await makeRun();
    const { id } = value(await run.rpc.openActor({ name: "s", ttlMs: 60_000 }));
    const long = "k".repeat(usedKeyCharsMax);
    for (const key of [`${long}1`, `${long}2`])
      value(await asks(run, "shared_map", { op: "set", name: "m", key, value: "secret" }, id));
    const uses = await usesOf(run);
    expect(uses).toMatchObject([{ task: id }, { task: id }]);
    const keys = uses.map(({ key }) => key as string);
    expect(keys[0]).not.toBe(keys[1]);
    for (const key of keys) expect(key).toMatch(/^k{100}…[0-9a-f]{16}$/);
    expect(JSON.stringify(await run.events())).not.toContain("secret");
  });

  it("tells nothing more once the run has ended", async () => {
    const run = await makeRun();
    value(await asks(run, "shared_map", set("a")));
    value(await run.rpc.finishRun({ cancel: true }));
    const events = await run.events();
    expect(events.map(({ type }) => type).slice(-2)).toEqual(["variables_used", "run_ended"]);
    value(await asks(run, "shared_map", get("a")));
    value(await run.rpc.logPage(0));
    expect(await run.events()).toEqual(events);
  });
});
