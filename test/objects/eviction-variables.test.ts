/** A variable loses nothing and does nothing twice when its object, or its run's, ends between any two steps of its use. */

import { expect } from "vitest";
import type { LeaseGrant } from "../../src/contract/shapes.ts";
import type { Idem } from "../../src/objects/rpc.ts";
import { disturbed, type Step } from "./lib/disturbed.ts";
import { bindings, makeRun, TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const holdMs = 20_000;

interface Cast {
  readonly run: TestRun;
  readonly leases: Record<string, LeaseGrant>;
}
type Does = Step<Cast>["does"];

const cast = (tenant: string): Cast => ({ run: new TestRun(tenant, "run_00000000000000000000"), leases: {} });
const named = (key: string): Idem => ({ key, fingerprint: key });
const runObject = ({ run }: Cast) => bindings.RUNS.getByName(`${run.tenant}/${run.id}`);

/** A run of four tasks that four workers have. */
const start: Does = async ({ run, leases }) => {
  await makeRun({ tenant: run.tenant, run: run.id, limits: { pools: ["box"], hold_ms: holdMs } });
  for (const key of ["a", "b", "c", "d"]) {
    await run.create({ key, pool: "box", instructions: `do ${key}` });
    leases[key] = (await run.lease(`worker ${key}`))!;
  }
};

/** A call by the task of that key; the same `callId` is the same call. */
const calls =
  (key: string, callId: string, tool: string, args: object): Does =>
  ({ run, leases }) =>
    run.rpc.leaseTool(leases[key]!, { tool, callId, arguments: JSON.stringify(args), waitMs: 0 });
/** A call from outside. */
const asks =
  (key: string, tool: string, args: object): Does =>
  ({ run }) =>
    run.rpc.callTool({ tool, arguments: JSON.stringify(args), waitMs: 0 }, named(key));
const completes =
  (key: string): Does =>
  ({ run, leases }) =>
    run.rpc.complete(leases[key]!, { result: key, next: false, worker: key }, named(`complete ${key}`));
const rings: Does = ({ run }) => run.ring();
const renews: Does = async ({ run, leases }) => {
  for (const lease of Object.values(leases)) await run.rpc.renew(lease);
};

const lock = (op: string, more: object = {}) => ({ op, name: "l", ...more });
const guarded = (key: string, token: number) => ({
  op: "set",
  name: "m",
  key,
  value: key,
  fence: { lock: "l", token },
});

/** Without what an object counts since it was loaded. */
const seen = async ({ run }: Cast) => ({
  events: await run.events(),
  tasks: await run.tasks(),
  variables: value(await run.rpc.variables({ limit: 100 })).rows.map(({ ops: _, ops_since: __, ...rest }) => rest),
});

disturbed<Cast>("what blocks", {
  cast,
  objects: { run: runObject },
  swept: ({ run }) => [run],
  steps: {
    start,
    "take the lock": calls("a", "1", "lock", lock("acquire")),
    "wait for it": calls("b", "1", "lock", lock("acquire")),
    "wait with a timeout": calls("c", "1", "lock", lock("acquire", { timeout_ms: 5_000 })),
    "time out": { after: 5_000, does: rings },
    "be told so": calls("c", "1", "lock", lock("acquire", { timeout_ms: 5_000 })),
    release: calls("a", "2", "lock", lock("release")),
    "repeat the release": calls("a", "2", "lock", lock("release")),
    "be granted it": calls("b", "1", "lock", lock("acquire")),
    "wait behind": calls("a", "3", "lock", lock("acquire")),
    "renew leases": { after: 15_000, does: renews },
    "have held it for too long": { after: 5_000, does: rings },
    "be granted what expired": calls("a", "3", "lock", lock("acquire")),
    "release what is lost": calls("b", "2", "lock", lock("release")),
    "make a semaphore": asks("make", "semaphore", { op: "create", name: "s", permits: 2 }),
    "take all permits": calls("b", "3", "semaphore", { op: "acquire", name: "s", permits: 2 }),
    "wait for a permit": calls("c", "2", "semaphore", { op: "acquire", name: "s" }),
    "give one back": calls("b", "4", "semaphore", { op: "release", name: "s" }),
    "be granted a permit": calls("c", "2", "semaphore", { op: "acquire", name: "s" }),
    "arrive at the barrier": calls("c", "3", "barrier", { op: "wait", name: "b", parties: 2 }),
    "trip it": calls("d", "1", "barrier", { op: "wait", name: "b", parties: 2 }),
    "be let on": calls("c", "3", "barrier", { op: "wait", name: "b", parties: 2 }),
    "wait for a message": calls("c", "4", "message_queue", { op: "pop", name: "q" }),
    "push two": asks("push", "message_queue", { op: "push", name: "q", messages: ["one", "two"] }),
    "repeat the push": asks("push", "message_queue", { op: "push", name: "q", messages: ["one", "two"] }),
    "get the first": calls("c", "4", "message_queue", { op: "pop", name: "q" }),
    "wait for a value": calls("d", "2", "future", { op: "await", name: "f" }),
    "give it": asks("resolve", "future", { op: "resolve", name: "f", value: { is: 1 } }),
    "be given it": calls("d", "2", "future", { op: "await", name: "f" }),
    "wait for who ends": calls("d", "3", "lock", lock("acquire")),
    "end with the lock": completes("a"),
    "have it by that end": calls("d", "3", "lock", lock("acquire")),
    "end with permits": completes("b"),
    "lose the lease of who holds": { after: 31_000, does: rings },
    "cancel the rest": ({ run }) => run.rpc.cancelRun("enough", named("cancel")),
  },
  seen,
  expects: (of, end) => {
    const result = (step: string) => (of(step) as { value: { result: unknown } }).value.result;
    expect(result("take the lock")).toMatchObject({ token: 1 });
    expect(of("wait for it")).toMatchObject({ value: { pending: true } });
    expect(of("be told so")).toMatchObject({ value: { error: { code: "timed_out" } } });
    expect(result("be granted it")).toMatchObject({ token: 2 });
    expect(result("be granted what expired")).toMatchObject({ token: 3 });
    expect(of("release what is lost")).toMatchObject({ value: { error: { code: "not_holder" } } });
    expect(result("be granted a permit")).toMatchObject({ permits: 1 });
    expect(result("be let on")).toMatchObject({ generation: 0, index: 0 });
    expect(result("get the first")).toEqual({ messages: ["one"] });
    expect(result("be given it")).toEqual({ value: { is: 1 } });
    expect(result("have it by that end")).toMatchObject({ token: 4 });
    const { events } = end as { events: { type: string; why?: string }[] };
    const released = events.filter(({ type }) => type === "lock_released").map(({ why }) => why);
    expect(released).toEqual(["released", "expired", "ended", "expired"]);
  },
});

/** What the log tells of ops on data is lost with the object's memory (variable-uses.ts): it is all that may be. */
const withoutUses = (events: Awaited<ReturnType<TestRun["events"]>>) => {
  const kept = events.filter(({ type }) => type !== "variables_used");
  const places = new Map(kept.map(({ seq }, i) => [seq, i + 1]));
  return kept.map((event, i) => ({ ...event, seq: i + 1, causes: event.causes.map((seq) => places.get(seq)) }));
};

disturbed<Cast>("data", {
  cast,
  objects: {
    run: runObject,
    variable: ({ run }) => bindings.VARIABLES.getByName(`${run.tenant}/${run.id}/m`),
  },
  swept: ({ run }) => [run],
  steps: {
    start,
    "take the lock": calls("a", "1", "lock", lock("acquire")),
    "write under it": calls("a", "2", "shared_map", guarded("a", 1)),
    "repeat the write": calls("a", "2", "shared_map", guarded("a", 1)),
    "count from outside": asks("count", "shared_map", { op: "increment", name: "m", key: "n", delta: 1 }),
    "repeat the count": asks("count", "shared_map", { op: "increment", name: "m", key: "n", delta: 1 }),
    "hand the lock on": calls("a", "3", "lock", lock("release")),
    "take it": calls("b", "1", "lock", lock("acquire")),
    "write with the next token": calls("b", "2", "shared_map", guarded("b", 2)),
    "write with the old one": calls("a", "4", "shared_map", guarded("late", 1)),
    "write what somebody changed": calls("c", "1", "shared_map", {
      op: "set",
      name: "m",
      key: "n",
      value: 7,
      if_version: 0,
    }),
    "log a turn": ({ run, leases }) =>
      run.rpc.turn(leases.b!, { messages: ['{"role":"assistant","content":"on"}'] }, named("turn")),
    "use a call's id again": calls("b", "2", "shared_map", { op: "delete", name: "m", key: "a" }),
    "list it": calls("c", "2", "shared_map", { op: "entries", name: "m" }),
    "end the run": async ({ run }) => {
      const { last_seq: _, ...ended } = value(await run.rpc.cancelRun("enough", named("cancel")));
      return ended;
    },
    "read it still": asks("read", "shared_map", { op: "get", name: "m", key: "b" }),
    "write to it no more": asks("write", "shared_map", { op: "set", name: "m", key: "b", value: 0 }),
  },
  seen: async (cast) => {
    const all = await seen(cast);
    return { ...all, events: withoutUses(all.events) };
  },
  expects: (of) => {
    expect(of("repeat the write")).toEqual(of("write under it"));
    expect(of("count from outside")).toMatchObject({ value: { result: { value: 1 } } });
    expect(of("repeat the count")).toEqual(of("count from outside"));
    expect(of("write with the old one")).toMatchObject({ value: { error: { code: "stale_fence" } } });
    expect(of("write what somebody changed")).toMatchObject({ value: { error: { code: "version_mismatch" } } });
    expect(of("list it")).toMatchObject({ value: { result: { entries: [{ key: "b" }, { key: "n" }] } } });
    expect(of("write to it no more")).toMatchObject({ ok: false });
  },
});
