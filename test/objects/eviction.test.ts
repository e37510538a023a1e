/** An object that loses its memory at any boundary of a run loses nothing: its log goes on as if nothing had been. */

import { expect } from "vitest";
import type { LeaseGrant } from "../../src/contract/shapes.ts";
import type { ToolCallInput } from "../../src/objects/rpc.ts";
import type { SeatWork } from "../../src/objects/seat-rpc.ts";
import { disturbed, type Step } from "./lib/disturbed.ts";
import { bindings, makeRun, TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();

const usage = { input_tokens: 10, output_tokens: 3, cache_read_tokens: 2, cache_write_tokens: 1 };
const reply = (...calls: { id: string; name: string; input: unknown }[]) =>
  JSON.stringify({ role: "assistant", content: calls.map((call) => ({ type: "tool_use", ...call })) });
const toolCall = (tool: string, callId: string, args: unknown): ToolCallInput => ({
  tool,
  callId,
  arguments: JSON.stringify(args),
  waitMs: 0,
});

interface Cast {
  readonly run: TestRun;
  readonly leases: Record<string, LeaseGrant>;
  work: SeatWork | undefined;
}

/** A run's life in steps: pull leases, calls, waits, failures, hosted seats. What each step answers is compared, too. */
const steps: Record<string, Step<Cast>["does"] | Step<Cast>> = {
  "create the run": ({ run }) => makeRun({ tenant: run.tenant, run: run.id, name: "story" }).then(() => undefined),
  "create tasks": async ({ run }) =>
    run.rpc.createTasks({
      tasks: [
        { key: "a", pool: "box", instructions: "do a", priority: 7 },
        { key: "b", pool: "box", instructions: "do b with {{a}}", timeout_ms: 600_000 },
        { key: "h", instructions: "do h", context: "some more", max_tokens: 100_000 },
      ],
    }),
  "lease a": async (cast) => {
    cast.leases.a = (await cast.run.lease("w1"))!;
    return cast.leases.a;
  },
  "log a turn": ({ run, leases }) =>
    run.rpc.turn(leases.a!, { messages: ['{"role":"assistant","content":"thinking"}'], usage }),
  "create a child": ({ run, leases }) =>
    run.rpc.leaseTool(leases.a!, toolCall("create_task", "c1", { key: "c", instructions: "do c" })),
  "repeat the call": ({ run, leases }) =>
    run.rpc.leaseTool(leases.a!, toolCall("create_task", "c1", { key: "c", instructions: "do c" })),
  "wait for the child": ({ run, leases }) =>
    run.rpc.leaseTool(leases.a!, toolCall("await_tasks", "c2", { tasks: ["c"] })),
  "lease the child": async (cast) => {
    cast.leases.c = (await cast.run.lease("w2"))!;
    return cast.leases.c;
  },
  "complete the child": ({ run, leases }) =>
    run.rpc.complete(leases.c!, { result: { of: "c" }, usage, next: true, worker: "w2" }, idem("complete c")),
  "repeat the completion": ({ run, leases }) =>
    run.rpc.complete(leases.c!, { result: { of: "c" }, usage, next: true, worker: "w2" }, idem("complete c")),
  "take the awaited": ({ run, leases }) =>
    run.rpc.leaseTool(leases.a!, toolCall("await_tasks", "c2", { tasks: ["c"] })),
  "complete a": ({ run, leases }) => run.rpc.complete(leases.a!, { result: "a's result", next: false, worker: "w1" }),
  "lease b": async (cast) => {
    cast.leases.b = (await cast.run.lease("w1"))!;
    return cast.leases.b;
  },
  "fail b for now": ({ run, leases }) =>
    run.rpc.fail(leases.b!, { error: { code: "busy", message: "not now" }, retryable: true }),
  "see its backoff pass": { after: 5_000, does: ({ run }) => run.ring() },
  "lease b again": async (cast) => {
    cast.leases.b = (await cast.run.lease("w3"))!;
    return cast.leases.b;
  },
  "lose w3": { after: 31_000, does: ({ run }) => run.ring() },
  "lease b a third time": async (cast) => {
    cast.leases.b = (await cast.run.lease("w1"))!;
    return cast.leases.b;
  },
  "complete b": ({ run, leases }) => run.rpc.complete(leases.b!, { result: "b's result", next: false, worker: "w1" }),
  "open a seat": async (cast) => {
    cast.work = await cast.run.seat("seat-1");
    return cast.work;
  },
  reserve: ({ run, work }) => run.rpc.reserve(work!, { inputTokens: 100, outputTokens: 50 }),
  "a reply with calls": ({ run, work }) =>
    run.rpc.seatTurn(
      work!,
      {
        messages: [
          ...work!.fork,
          reply(
            { id: "t1", name: "create_task", input: { key: "d", instructions: "do d" } },
            { id: "t2", name: "await_tasks", input: { tasks: ["d"] } },
          ),
        ],
        usage,
        calls: [
          { id: "t1", name: "create_task", arguments: '{"key":"d","instructions":"do d"}' },
          { id: "t2", name: "await_tasks", arguments: '{"tasks":["d"]}' },
        ],
      },
      undefined,
    ),
  "park, and take what it waits for": async (cast) => {
    const over = await cast.run.rpc.leaveSeat(cast.work!, { kind: "wait" }, nextTask("seat-1"));
    cast.work = over.kind === "over" ? (over.work as SeatWork | undefined) : undefined;
    return over;
  },
  "end that, and take the parked one": async (cast) => {
    const { work } = cast;
    const turn = {
      messages: [...work!.fork, '{"role":"assistant","content":"d is done"}'],
      usage,
      calls: [],
      ending: { kind: "result", result: "d is done" } as const,
    };
    const over = await cast.run.rpc.seatTurn(work!, turn, nextTask("seat-1"));
    cast.work = over.kind === "over" ? (over.work as SeatWork | undefined) : undefined;
    return over;
  },
  "give it back": ({ run, work }) => run.rpc.leaveSeat(work!, { kind: "give_back" }, undefined),
  "open another seat": async (cast) => {
    cast.work = await cast.run.seat("seat-2");
    return cast.work;
  },
  "end h": ({ run, work }) =>
    run.rpc.seatTurn(
      work!,
      {
        messages: ['{"role":"assistant","content":"h is done"}'],
        usage,
        calls: [],
        ending: { kind: "result", result: "h is done" },
      },
      undefined,
    ),
  finish: ({ run }) => run.rpc.finishRun({ cancel: false }),
  retry: async ({ run }) => run.rpc.retryTask((await run.tasks())[1]!.id, undefined),
  "cancel the run": ({ run }) => run.rpc.cancelRun("enough", idem("cancel")),
};
const idem = (key: string) => ({ key, fingerprint: key });

disturbed<Cast>("a run", {
  cast: (tenant) => ({ run: new TestRun(tenant, "run_00000000000000000000"), leases: {}, work: undefined }),
  objects: { run: ({ run }) => bindings.RUNS.getByName(`${run.tenant}/${run.id}`) },
  swept: ({ run }) => [run],
  steps,
  seen: async ({ run }) => {
    const tasks = await run.tasks();
    const contexts = await Promise.all(tasks.map(async ({ id }) => value(await run.rpc.taskContext(id))));
    return { events: await run.events(), run: await run.view(), tasks, contexts };
  },
  expects: (_, seen) => {
    const counts = { succeeded: 4, cancelled: 1, failed: 0, running: 0, ready: 0, waiting: 0, parked: 0, skipped: 0 };
    expect(seen).toMatchObject({ run: { status: "cancelled", counts } });
  },
});
