/** A gate, and calls of remote tools that it hands out, when the gate or the run ends between any two steps. */

import { runInDurableObject } from "cloudflare:test";
import { expect } from "vitest";
import type { Grant, ToolCallGrant } from "../../src/contract/shapes.ts";
import type { Idem, LeaseWishes } from "../../src/objects/rpc.ts";
import type { SeatWork } from "../../src/objects/seat-rpc.ts";
import { disturbed, type Step } from "./lib/disturbed.ts";
import { bindings, gateOf, makeRun, TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();

interface Cast {
  readonly tenant: string;
  readonly one: TestRun;
  readonly two: TestRun;
  readonly grants: Record<string, Grant>;
  work: SeatWork | undefined;
}
type Does = Step<Cast>["does"];

const cast = (tenant: string): Cast => ({
  tenant,
  one: new TestRun(tenant, "run_00000000000000000001"),
  two: new TestRun(tenant, "run_00000000000000000002"),
  grants: {},
  work: undefined,
});
const named = (key: string): Idem => ({ key, fingerprint: key });
const gate = ({ tenant }: Cast) => bindings.GATES.getByName(tenant);
const run = ({ one }: Cast) => bindings.RUNS.getByName(`${one.tenant}/${one.id}`);
const box = (key: string) => ({ key, pool: "box", instructions: `do ${key}`, retries: { limit: 1, backoff_ms: 1000 } });

/** Words to the gate follow the commit: until it has these lanes, and no others. */
async function announced(cast: Cast, ...lanes: string[]): Promise<string[]> {
  for (let look = 0; ; look++) {
    const rows = await runInDurableObject(gate(cast), (_, { storage: { sql } }) =>
      // A gate has its tables from the first word on.
      sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'ready'").toArray().length === 0
        ? []
        : sql.exec<{ lane: string }>("SELECT pool || ' ' || run AS lane FROM ready").toArray(),
    );
    const there = rows.map(({ lane }) => lane.replace(/run_0+/, "")).sort();
    if (look === 500 || JSON.stringify(there) === JSON.stringify(lanes)) return there;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What the gate hands out now, by the tasks' keys; in whose turn it is does not outlive the gate. */
const asks =
  (max: number, idem?: Idem, wishes: LeaseWishes = {}): Does =>
  async ({ tenant, grants }) => {
    const ask = { tenant, pool: "box", worker: "w", max, waitMs: 0, ...wishes };
    const given = value(await gateOf(tenant).lease(ask, idem));
    for (const grant of given) grants["call" in grant ? "call" : grant.task.key!] = grant;
    return given.map((grant) => JSON.stringify(grant)).sort();
  };
const completes =
  (of: "one" | "two", key: string): Does =>
  (cast) =>
    cast[of].rpc.complete(cast.grants[key]!, { result: key, next: false, worker: "w" }, named(`complete ${key}`));

const seenOf = async (of: TestRun) => ({ events: await of.events(), tasks: await of.tasks() });
const rings: Does = ({ one }) => one.ring();

disturbed<Cast>("a gate", {
  cast,
  objects: { gate, run },
  swept: ({ one, two }) => [one, two],
  steps: {
    begin: async ({ tenant, one, two }) => {
      for (const { id } of [one, two]) await makeRun({ tenant, run: id });
    },
    announce: async (cast) => {
      await cast.one.create(box("a"), box("b"));
      return announced(cast, "box 1");
    },
    "hand one out": asks(1, named("first")),
    "repeat the answer": asks(1, named("first")),
    "announce another run": async (cast) => {
      await cast.two.create(box("c"));
      return announced(cast, "box 1", "box 2");
    },
    "hand out the rest": asks(8),
    "have nothing more": async (cast) => [await asks(8)(cast), await announced(cast)],
    "be done with one": completes("one", "a"),
    "be done with another": completes("two", "c"),
    "get back what a worker lost": {
      after: 31_000,
      does: async (cast) => [await cast.one.ring(), await announced(cast, "box 1")],
    },
    "hand it out again": asks(8),
    "try again later": ({ one, grants }) =>
      one.rpc.fail(grants.b!, { error: { code: "busy", message: "not now" }, retryable: true }),
    "have nothing yet": async (cast) => [await asks(8)(cast), await announced(cast)],
    "announce it after its backoff": {
      after: 2_000,
      does: async (cast) => [await rings(cast), await announced(cast, "box 1")],
    },
    "hand it out for the last time": asks(8),
    "end it": completes("one", "b"),
    "pause the other run": async ({ two }) => {
      value(await two.rpc.pause());
      await two.create(box("d"));
    },
    "have nothing of it": asks(8),
    "resume it": async (cast) => {
      value(await cast.two.rpc.resume());
      return announced(cast, "box 2");
    },
    "delete it": async (cast) => [await cast.two.rpc.deleteRun(), await announced(cast)],
    "have nothing of what is deleted": asks(8),
  },
  seen: async (cast) => [await seenOf(cast.one), await cast.two.rpc.run()],
  expects: (of) => {
    const keys = (step: string) =>
      (of(step) as string[]).map((grant) => (JSON.parse(grant) as { task: { key: string } }).task.key);
    expect(of("announce")).toEqual(["box 1"]);
    expect(keys("hand one out")).toEqual(["a"]);
    expect(of("repeat the answer")).toEqual(of("hand one out"));
    expect(keys("hand out the rest")).toEqual(["b", "c"]);
    expect(of("have nothing more")).toEqual([[], []]);
    expect(of("get back what a worker lost")).toEqual([true, ["box 1"]]);
    expect(keys("hand it out again")).toEqual(["b"]);
    expect(of("have nothing yet")).toEqual([[], []]);
    expect(keys("hand it out for the last time")).toEqual(["b"]);
    expect(of("end it")).toMatchObject({ ok: true });
    expect(of("have nothing of it")).toEqual([]);
    expect(of("resume it")).toEqual(["box 2"]);
    expect(of("delete it")).toEqual([{ ok: true, value: null }, []]);
    expect(of("have nothing of what is deleted")).toEqual([]);
  },
});

const shell = {
  name: "shell",
  description: "Runs a command.",
  input_schema: '{"type":"object"}',
  pool: "box",
  timeout_ms: 300_000,
  retries: { limit: 2 },
};
const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
const call = { id: "c1", name: "shell" };
const leases: Does = asks(1, undefined, { kinds: ["tool_call"] });
const answers =
  (key: string): Does =>
  ({ one, grants }) =>
    one.rpc.complete(grants.call!, { result: { out: "hi" }, next: false, worker: "w" }, named(key));

disturbed<Cast>("a call of a remote tool", {
  cast,
  objects: { gate, run },
  swept: ({ one, two }) => [one, two],
  steps: {
    begin: async ({ tenant, one }) => {
      await makeRun({ tenant, run: one.id, tools: [shell] });
      await one.create({ key: "h", instructions: "do h" });
    },
    "open a seat": async (cast) => {
      cast.work = await cast.one.seat("seat-1");
      return cast.work;
    },
    call: ({ one, work }) => {
      const content = [{ type: "tool_use", ...call, input: { cmd: "ls" } }];
      const messages = [...work!.fork, JSON.stringify({ role: "assistant", content })];
      return one.rpc.seatTurn(work!, { messages, usage, calls: [{ ...call, arguments: '{"cmd":"ls"}' }] }, undefined);
    },
    park: ({ one, work }) => one.rpc.leaveSeat(work!, { kind: "wait" }, undefined),
    "announce it": (cast) => announced(cast, "box/shell 1"),
    "hand it out": leases,
    "report on it": ({ one, grants }) => one.rpc.renew(grants.call!, { message: "half way", fraction: 0.5 }),
    "outlive the first lease": { after: 29_000, does: rings },
    "lose its worker": { after: 31_000, does: rings },
    "be announced again": {
      after: 5_000,
      does: async (cast) => [await rings(cast), await announced(cast, "box/shell 1")],
    },
    "hand it out again": leases,
    "be answered late": async (cast) => {
      const late = { ...cast.grants.call!, fence: (cast.grants.call as ToolCallGrant).fence - 1 };
      return cast.one.rpc.complete(late, { result: "late", next: false, worker: "w" });
    },
    "be answered": answers("answer"),
    "be answered again": answers("answer"),
    "wake who called": async (cast) => {
      cast.work = await cast.one.seat("seat-2");
      return cast.work;
    },
    "end the task": ({ one, work }) =>
      one.rpc.seatTurn(
        work!,
        {
          messages: ['{"role":"assistant","content":"done"}'],
          usage,
          calls: [],
          ending: { kind: "result", result: "done" },
        },
        nextTask("seat-2"),
      ),
  },
  seen: (cast) => seenOf(cast.one),
  expects: (of, seen) => {
    expect(of("announce it")).toEqual(["box/shell 1"]);
    expect(of("hand it out")).toHaveLength(1);
    expect(of("be announced again")).toEqual([true, ["box/shell 1"]]);
    expect(of("hand it out again")).toHaveLength(1);
    expect(of("be answered late")).toMatchObject({ ok: false, fault: { code: "lease_lost" } });
    expect(of("be answered again")).toEqual(of("be answered"));
    expect(of("wake who called")).toMatchObject({ answers: { c1: { text: '{"out":"hi"}', isError: false } } });
    expect(seen).toMatchObject({ tasks: [{ key: "h", state: "succeeded", turns: 2 }] });
  },
});
