/** What the types of the client promise; the compiler is the test (`npm run typecheck`), as it is for those who use them. */

import { expect, expectTypeOf, it } from "vitest";
import {
  type Batch,
  type Heddle,
  type HeddleProblem,
  isProblem,
  isToolError,
  type LockHold,
  type NewTask,
  type Run,
  type Settled,
  type Task,
  type TaskView,
  type ToolError,
} from "../../src/client/index.ts";

/** Never called: these are about types. */
export async function uses(heddle: Heddle, run: Run, error: unknown): Promise<void> {
  expectTypeOf(
    await heddle.runs.create({ context: { messages: [{ role: "user", content: "x" }] } }),
  ).toEqualTypeOf<Run>();
  // @ts-expect-error: no such field
  await heddle.runs.create({ contexts: {} });
  // @ts-expect-error: instructions are required
  await run.tasks.create({ key: "a" });
  // @ts-expect-error: a fork is one of these words
  await run.tasks.create({ instructions: "x", fork: "some" });

  // What is wrong is pointed at, and not the array that one task is none of.
  await run.tasks.create({
    instructions: "x",
    // @ts-expect-error: priority
    priorty: 3,
  });
  await run.tasks.create({
    instructions: "x",
    // @ts-expect-error: a label's value is a text
    labels: { page: 1 },
  });
  await run.tasks.create(
    [
      { instructions: "x", group: "g" },
      {
        instructions: "y",
        // @ts-expect-error: a number of milliseconds
        timeout_ms: "1000",
      },
    ],
    { groups: { g: { require: 1 } } },
  );
  await run.tasks.create(
    { instructions: "x" },
    {
      // @ts-expect-error: retryMs
      retryMS: 0,
    },
  );
  const oneOrMany: NewTask | NewTask[] = JSON.parse("[]");
  expectTypeOf(await run.tasks.create<string>(oneOrMany)).toEqualTypeOf<Task<string> | Batch<string>>();

  const few = await run.tasks.create([{ instructions: "x" }]);
  await run.tasks.create({ instructions: "x", after: [few[0]!, "T2-1a2b3c"] });
  await run.tasks.create({ instructions: "x", after: few });
  // @ts-expect-error: tasks, or their names
  await run.tasks.create({ instructions: "x", after: [few] });

  const one = await run.tasks.create<{ n: number }>({ instructions: "x" });
  expectTypeOf(one).toEqualTypeOf<Task<{ n: number }>>();
  expectTypeOf(await one.result()).toEqualTypeOf<{ n: number }>();
  const plain = await run.tasks.create({ instructions: "x" });
  expectTypeOf(await plain.result()).toEqualTypeOf<unknown>();
  const many = await run.tasks.create<string>([{ instructions: "x" }]);
  expectTypeOf(await run.tasks.all(many)).toEqualTypeOf<string[]>();
  expectTypeOf(many.created.projection.input_tokens).toEqualTypeOf<number>();
  expectTypeOf(await run.tasks.all([one, many[0]!, "key"])).toEqualTypeOf<[{ n: number }, string, unknown]>();
  expectTypeOf(await run.tasks.any([one, many[0]!])).toEqualTypeOf<{
    readonly result: { n: number } | string;
    readonly task: TaskView;
  }>();
  const [settled] = await run.tasks.settled([one]);
  expectTypeOf(settled).toEqualTypeOf<Settled<{ n: number }>>();
  if (settled.state === "succeeded") expectTypeOf(settled.result.n).toEqualTypeOf<number>();
  // @ts-expect-error: only what succeeded has a result
  else void settled.result;

  expectTypeOf(await run.map<number>("m").get("k")).toEqualTypeOf<number | undefined>();
  // @ts-expect-error: the map holds numbers
  await run.map<number>("m").set("k", "text");
  expectTypeOf(await run.queue<string>("q").pop()).toEqualTypeOf<string[] | undefined>();
  for await (const message of run.queue<string>("q")) expectTypeOf(message).toEqualTypeOf<string>();
  expectTypeOf(await run.lock("l").with(async (hold) => hold.token)).toEqualTypeOf<number>();
  await heddle.work({
    pool: "p",
    run: async (task) => {
      expectTypeOf(await task.map<number>("m").get("k")).toEqualTypeOf<number | undefined>();
      expectTypeOf(await task.queue<string>("q").take()).toEqualTypeOf<string | undefined>();
      // @ts-expect-error: the list holds texts
      await task.list<string>("l").append([1]);
    },
  });
  await run.lock("l").with((hold, signal) => {
    expectTypeOf(hold).toEqualTypeOf<LockHold>();
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
    // @ts-expect-error: a fence is a hold's, not a number
    return run.map("m").set("k", 1, { fence: hold.token });
  });
  await using hold = await run.lock("l").acquire();
  await using session = await run.session();
  // @ts-expect-error: a barrier needs to know how many
  run.barrier("b");
  void [hold, session];

  if (isProblem(error, "run_ended")) expectTypeOf(error.code).toEqualTypeOf<"run_ended">();
  if (isProblem(error)) expectTypeOf(error).toExtend<HeddleProblem>();
  if (isToolError(error, "timed_out")) expectTypeOf(error).toExtend<ToolError>();
}

it("are checked by the compiler", () => expect(uses).toBeTypeOf("function"));
