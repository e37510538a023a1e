/** An object that loses its memory at any boundary of a run loses nothing: its log goes on as if nothing had been. */

import { beforeAll, describe, expect, it } from "vitest";
import type { LeaseGrant } from "../../src/contract/shapes.ts";
import type { ToolCallInput } from "../../src/objects/rpc.ts";
import type { SeatWork } from "../../src/objects/seat-rpc.ts";
import { makeRun, TestClock, type TestRun, value } from "./lib/runs.ts";
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

interface Story {
  run: TestRun;
  clock: TestClock;
  leases: Record<string, LeaseGrant>;
  work: SeatWork | undefined;
}

/** A run's life in steps: pull leases, calls, waits, failures, hosted seats. What each step answers is compared, too. */
const steps: Record<string, (story: Story) => Promise<unknown>> = {
  "create tasks": async ({ run }) =>
    run.rpc.createTasks({
      tasks: [
        { key: "a", pool: "box", instructions: "do a", priority: 7 },
        { key: "b", pool: "box", instructions: "do b with {{a}}", timeout_ms: 600_000 },
        { key: "h", instructions: "do h", context: "some more", max_tokens: 100_000 },
      ],
    }),
  "lease a": async (story) => {
    story.leases.a = (await story.run.lease("w1"))!;
    return story.leases.a;
  },
  "log a turn": ({ run, leases }) =>
    run.rpc.turn(leases.a!, { messages: ['{"role":"assistant","content":"thinking"}'], usage }),
  "create a child": ({ run, leases }) =>
    run.rpc.leaseTool(leases.a!, toolCall("create_task", "c1", { key: "c", instructions: "do c" })),
  "repeat the call": ({ run, leases }) =>
    run.rpc.leaseTool(leases.a!, toolCall("create_task", "c1", { key: "c", instructions: "do c" })),
  "wait for the child": ({ run, leases }) =>
    run.rpc.leaseTool(leases.a!, toolCall("await_tasks", "c2", { tasks: ["c"] })),
  "lease the child": async (story) => {
    story.leases.c = (await story.run.lease("w2"))!;
    return story.leases.c;
  },
  "complete the child": ({ run, leases }) =>
    run.rpc.complete(leases.c!, { result: { of: "c" }, usage, next: true, worker: "w2" }, idem("complete c")),
  "repeat the completion": ({ run, leases }) =>
    run.rpc.complete(leases.c!, { result: { of: "c" }, usage, next: true, worker: "w2" }, idem("complete c")),
  "take the awaited": ({ run, leases }) =>
    run.rpc.leaseTool(leases.a!, toolCall("await_tasks", "c2", { tasks: ["c"] })),
  "complete a": ({ run, leases }) => run.rpc.complete(leases.a!, { result: "a's result", next: false, worker: "w1" }),
  "lease b": async (story) => {
    story.leases.b = (await story.run.lease("w1"))!;
    return story.leases.b;
  },
  "fail b for now": ({ run, leases }) =>
    run.rpc.fail(leases.b!, { error: { code: "busy", message: "not now" }, retryable: true }),
  "its backoff passes": async ({ run, clock }) => {
    clock.forward(5_000);
    await run.ring();
  },
  "lease b again": async (story) => {
    story.leases.b = (await story.run.lease("w3"))!;
    return story.leases.b;
  },
  "w3 is lost": async ({ run, clock }) => {
    clock.forward(31_000);
    await run.ring();
  },
  "lease b a third time": async (story) => {
    story.leases.b = (await story.run.lease("w1"))!;
    return story.leases.b;
  },
  "complete b": ({ run, leases }) => run.rpc.complete(leases.b!, { result: "b's result", next: false, worker: "w1" }),
  "open a seat": async (story) => {
    story.work = await story.run.seat("seat-1");
    return story.work;
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
  "park, and take what it waits for": async (story) => {
    const over = await story.run.rpc.leaveSeat(story.work!, { kind: "wait" }, nextTask("seat-1"));
    story.work = over.kind === "over" ? (over.work as SeatWork | undefined) : undefined;
    return over;
  },
  "end that, and take the parked one": async (story) => {
    const { work } = story;
    const turn = {
      messages: [...work!.fork, '{"role":"assistant","content":"d is done"}'],
      usage,
      calls: [],
      ending: { kind: "result", result: "d is done" } as const,
    };
    const over = await story.run.rpc.seatTurn(work!, turn, nextTask("seat-1"));
    story.work = over.kind === "over" ? (over.work as SeatWork | undefined) : undefined;
    return over;
  },
  "give it back": ({ run, work }) => run.rpc.leaveSeat(work!, { kind: "give_back" }, undefined),
  "open another seat": async (story) => {
    story.work = await story.run.seat("seat-2");
    return story.work;
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
const names = Object.keys(steps);
const idem = (key: string) => ({ key, fingerprint: key });

/** Plays the story; evicts before the steps that `evicts` names. Everything that anybody could see: under one run's id. */
async function play(evicts: (step: number) => boolean): Promise<unknown[]> {
  using clock = new TestClock();
  clock.forward(1_900_000_000_000 - clock.now);
  const run = await makeRun({ name: "story", run: "run_00000000000000000000" });
  const story: Story = { run, clock, leases: {}, work: undefined };
  const seen: unknown[] = [];
  for (const [i, name] of names.entries()) {
    clock.forward(10);
    if (evicts(i)) await run.evict();
    seen.push([name, await steps[name]!(story)]);
  }
  if (evicts(names.length)) await run.evict();
  seen.push(["events", await run.events()], ["run", await run.view()], ["tasks", await run.tasks()]);
  for (const task of await run.tasks()) seen.push([task.key, value(await run.rpc.taskContext(task.id))]);
  return JSON.parse(JSON.stringify(seen)) as unknown[];
}

describe("a run whose object is evicted", () => {
  let undisturbed: unknown[];
  beforeAll(async () => {
    undisturbed = await play(() => false);
    expect(undisturbed).toContainEqual(["run", expect.objectContaining({ status: "cancelled" })]);
    const counts = { succeeded: 4, cancelled: 1, failed: 0, running: 0, ready: 0, waiting: 0, parked: 0, skipped: 0 };
    expect(undisturbed).toContainEqual(["run", expect.objectContaining({ counts })]);
  });

  it.each(names.map((name, i) => [name, i] as const))("before it is to %s", async (_, at) => {
    expect(await play((step) => step === at)).toEqual(undisturbed);
  });

  it("before every step", async () => {
    expect(await play(() => true)).toEqual(undisturbed);
  });
});
