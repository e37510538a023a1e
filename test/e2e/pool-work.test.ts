/** A program of one's own as a pull worker, with no model in it: what it is told of its tasks, and what bounds it. */

import { expect, it } from "vitest";
import {
  type Dependency,
  Heddle,
  isToolError,
  type LeasedTask,
  type Run,
  WorkFailed,
  type WorkOptions,
} from "../../src/client/index.ts";
import { sleep } from "../../src/client/sleep.ts";
import { until } from "./lib/log.ts";
import { sharedServer } from "./lib/shared.ts";

const server = sharedServer();
const heddle = new Heddle({ url: server.url, key: "hdl_local" });
let pools = 0;
const newPool = () => `work${process.pid}-${++pools}`;

it("a task knows its labels, and how those ended that it comes after: whole results, as values", async () => {
  const pool = newPool();
  const long = Array.from({ length: 20_000 }, (_, n) => `line ${n} é`);
  await using run = await heddle.runs.create({ limits: { pools: [pool] } });
  const parts = await run.tasks.create(
    ["object", "text", "short", "flaky", "broken"].map((kind) => ({
      key: kind,
      pool,
      group: "parts",
      labels: { kind },
      retries: { limit: 2, backoff_ms: 10 },
      instructions: "Do your part.",
    })),
    { groups: { parts: { require: 1, on_failure: "continue" } } },
  );
  const sum = await run.tasks.create<{ seen: Dependency[]; attempt: number }>({
    pool,
    labels: { kind: "sum" },
    after: parts,
    on_dependency_failure: "run",
    instructions: "Sum up.",
  });
  const seen: Dependency<unknown>[] = [];
  const stop = new AbortController();
  const worker = heddle.work({
    pool,
    concurrency: 4,
    drain: stop.signal,
    run: async (task) => {
      expect([task.run, task.instructions.length > 0]).toEqual([run.id, true]);
      switch (task.labels.kind) {
        case "object":
          return { lines: long };
        case "text":
          return long.join("\n");
        case "flaky":
          if (task.attempt === 1) throw new WorkFailed("busy", "The linter is busy.", { retryable: true });
          return task.attempt;
        case "broken":
          throw new WorkFailed("no_parser", "There is no parser for it.");
        case "sum":
          seen.push(...(await task.dependencies()));
          return seen.length;
        default:
          return [task.id, task.key];
      }
    },
  });
  expect(await sum.result()).toBe(5);
  const id = (at: number) => parts[at]!.id;
  expect(seen).toEqual([
    { id: id(0), key: "object", state: "succeeded", result: { lines: long } },
    { id: id(1), key: "text", state: "succeeded", result: long.join("\n") },
    { id: id(2), key: "short", state: "succeeded", result: [id(2), "short"] },
    { id: id(3), key: "flaky", state: "succeeded", result: 2 },
    { id: id(4), key: "broken", state: "failed", error: { code: "no_parser", message: "There is no parser for it." } },
  ]);
  stop.abort();
  await worker;
});

it("a budget holds pull workers, too: once it is used up the run pauses, and goes on with a larger one", async () => {
  const pool = newPool();
  await using run = await heddle.runs.create({ limits: { pools: [pool], tokens: 1000 } });
  const tasks = await run.tasks.create(Array.from({ length: 6 }, () => ({ pool, instructions: "Read a page." })));
  let done = 0;
  const stop = new AbortController();
  const worker = heddle.work({
    pool,
    signal: stop.signal,
    run: async (task) => {
      await task.turn([{ role: "assistant", content: "Read." }], { input_tokens: 450, output_tokens: 50 });
      return ++done;
    },
  });
  await until("it pauses", 30_000, async () => (await run.view()).status === "paused");
  const paused = await run.view();
  expect([done, paused.reason, paused.counts.ready, paused.usage.tokens]).toEqual([2, "budget", 4, 1000]);
  expect(await heddle.wait(run.id, { timeout_ms: 0 })).toMatchObject({ done: false, paused: "budget" });
  const last = { tasks: [tasks[5]!.id], timeout_ms: 0 };
  expect(await heddle.wait(run.id, last)).toMatchObject({ done: false, paused: "budget" });
  await run.setBudget({ tokens: 10_000 });
  await run.tasks.all(tasks);
  expect(await heddle.wait(run.id, last)).not.toHaveProperty("paused");
  expect(done).toBe(6);
  stop.abort();
  await worker;
});

it("a time that the run or the creator cuts is told when the task is created, also that of a root", async () => {
  const week = 7 * 24 * 3600_000;
  const day = 24 * 3600_000;
  const byRun = [`timeout_ms ${week} is cut to ${day}: limits.timeout_ms of the run, set when it is created.`];
  await using run = await heddle.runs.create({});
  const asks = { key: "asks", instructions: "Ask.", timeout_ms: week };
  expect((await run.tasks.create([asks])).created.notes).toEqual(byRun);
  await using long = await heddle.runs.create({ limits: { timeout_ms: week } });
  expect((await long.tasks.create([asks])).created).not.toHaveProperty("notes");
  const pool = newPool();
  const creator = await long.tasks.create({ instructions: "Make one.", pool, timeout_ms: day });
  const stop = new AbortController();
  const worker = heddle.work({
    pool,
    drain: stop.signal,
    run: async (task) => {
      const made = await task.call("create_task", { instructions: "Wait.", timeout_ms: week }, "c1");
      return "result" in made ? (made.result as { notes: string[] }).notes : made.error;
    },
  });
  expect(await creator.result()).toEqual([`timeout_ms ${week} is cut to ${day}: that of the task that creates it.`]);
  stop.abort();
  await worker;
  const rooted = await heddle.createRun({ root: { instructions: "Ask.", timeout_ms: week } });
  expect(rooted.notes).toEqual(byRun);
  await heddle.cancelRun(rooted.id);
});

/** Carries out the tasks of a pool until what `body` waits for is over. */
async function withWorker(options: WorkOptions, body: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const worker = heddle.work({ idleMs: 60_000, drain: stop.signal, ...options });
  try {
    await body();
  } finally {
    stop.abort();
    await worker;
  }
}

it("a task's variables are its own calls: an op that has a name is done once, whichever attempt asks for it", async () => {
  const pool = newPool();
  await using run = await heddle.runs.create({ limits: { pools: [pool] } });
  await run.queue("jobs").push(["one", "two"]);
  const seen: unknown[] = [];
  const work = async (task: LeasedTask) => {
    const named = { idempotencyKey: "page-7" };
    const added = await task.atomic("named").add(2, named);
    const unnamed = await task.atomic("unnamed").add(2);
    // One name for several ops is no mix-up: it is a name within an op and a variable.
    const { index } = await task.list<string>("found").append([`by ${task.attempt}`], named);
    const job = await task.queue<string>("jobs").take(named);
    const marks = task.map<number>("marks");
    const marked = await marks.increment("n", 1, named);
    await marks.set(`attempt ${task.attempt}`, task.attempt);
    await task.memory("notes").append("x", named);
    seen.push([task.attempt, added, unnamed, index, job, marked]);
    if (task.attempt === 1) throw new WorkFailed("late", "Once more.", { retryable: true });
    const keys: string[] = [];
    for await (const { key } of marks.entries(named)) keys.push(key);
    return { keys, notes: (await task.memory("notes").read(named)).text, size: await task.list("found").size() };
  };
  await withWorker({ pool, run: work }, async () => {
    const task = await run.tasks.create({ pool, instructions: "Count.", retries: { limit: 2, backoff_ms: 10 } });
    expect(await task.result()).toEqual({ keys: ["attempt 1", "attempt 2", "n"], notes: "x", size: 1 });
  });
  expect(seen).toEqual([
    [1, 2, 2, 0, "one", 1],
    [2, 2, 4, 0, "one", 1],
  ]);
  expect(await run.queue("jobs").size()).toBe(1);
  expect(await run.atomic("named").get()).toBe(2);
});

it("a wait that has a name is taken up by the next attempt, which gets what came meanwhile", async () => {
  const pool = newPool();
  await using run = await heddle.runs.create({ limits: { pools: [pool] } });
  const lost: unknown[] = [];
  const work = async (task: LeasedTask) => {
    const taken = task.queue<string>("jobs").take({ idempotencyKey: "first" });
    if (task.attempt > 1) return taken;
    taken.catch((error) => lost.push(error));
    await until("it waits", 20_000, async () => (await run.view()).counts.running === 1 && hasWaiter(run));
    await run.queue("jobs").push(["only"]);
    throw new WorkFailed("late", "Once more.", { retryable: true });
  };
  await withWorker({ pool, run: work }, async () => {
    const task = await run.tasks.create({ pool, instructions: "Take.", retries: { limit: 2, backoff_ms: 10 } });
    expect(await task.result()).toBe("only");
  });
  expect(await run.queue("jobs").size()).toBe(0);
});

const hasWaiter = async (run: Run): Promise<boolean> => {
  const { variables } = await heddle.variables(run.id);
  return variables.some(({ waiters }) => waiters.length > 0);
};

it("a task waits as itself: its place is another's, it opens no session, and a deadline and a refusal are thrown", async () => {
  const pool = newPool();
  await using run = await heddle.runs.create({ limits: { pools: [pool] } });
  let atOnce = 0;
  let most = 0;
  const work = async (task: LeasedTask) => {
    if (task.labels.kind === "take") {
      // Two waits of one task give one place away, and not two.
      const [sum, answer] = await Promise.all([
        (async () => {
          let all = 0;
          for await (const n of task.queue<number>("numbers").messages()) all += n;
          return all;
        })(),
        task.future<string>("answer").value(),
      ]);
      return { sum, answer };
    }
    most = Math.max(most, ++atOnce);
    await task.queue<number>("numbers").push([Number(task.instructions)]);
    await sleep(300);
    atOnce--;
    if (task.labels.kind !== "last") return null;
    await task.future("answer").resolve("yes");
    await task.queue("numbers").close();
    const late = await task
      .future("never")
      .value({ timeout_ms: 50 })
      .catch((error: unknown) => error);
    const refused = await task
      .atomic<string>("text")
      .set("a")
      .then(() => task.atomic("text").add(1))
      .catch((error: unknown) => error);
    const stop = AbortSignal.timeout(100);
    const stopped = await task
      .future("never")
      .value({ signal: stop })
      .catch((error: unknown) => error);
    expect([isToolError(late, "timed_out"), isToolError(refused, "not_a_number"), stopped]).toEqual([
      true,
      true,
      stop.reason,
    ]);
    return "closed";
  };
  await withWorker({ pool, run: work, concurrency: 1 }, async () => {
    const [take] = await run.tasks.create<unknown>([{ pool, labels: { kind: "take" }, instructions: "Sum." }]);
    await until("it waits", 20_000, () => hasWaiter(run));
    const numbers = await run.tasks.create([1, 2, 3].map((n) => ({ pool, key: `n${n}`, instructions: `${n}` })));
    const last = await run.tasks.create({ pool, labels: { kind: "last" }, after: numbers, instructions: "4" });
    expect(await last.result()).toBe("closed");
    expect(await take!.result()).toEqual({ sum: 10, answer: "yes" });
  });
  expect(most).toBe(1);
  const { events } = await heddle.events(run.id, { limit: 1000 });
  expect(events.map(({ type }) => type)).not.toContain("actor_opened");
});

it("a task's holds are its own: they need no session, and what a lost attempt held is in no later one's way", async () => {
  const pool = newPool();
  await using run = await heddle.runs.create({ limits: { pools: [pool] } });
  await run.semaphore("permits").create(1);
  const tokens: number[] = [];
  const work = async (task: LeasedTask) => {
    if (task.attempt === 1) {
      // As an attempt leaves them whose worker dies: a failure alone releases nothing.
      tokens.push((await task.lock("a", "z").acquire()).token, (await task.lock("turn").acquire()).token);
      await task.semaphore("permits").acquire();
      throw new WorkFailed("died", "Once more.", { retryable: true });
    }
    tokens.push(await task.lock("turn").with(({ token }) => token));
    const wrote = await task.lock("a", "b").with(async ({ fences }) => {
      const again = await task
        .lock("a")
        .acquire()
        .catch((error: unknown) => error);
      expect(isToolError(again, "already_held")).toBe(true);
      await task.memory("report").append("x", { fence: fences.a! });
      return Object.keys(fences);
    });
    const order: string[] = [];
    for (const turn of ["one", "two"]) await task.semaphore("permits").with(() => order.push(turn));
    expect(await task.lock("turn").tryAcquire()).toBeDefined();
    const late = await task
      .barrier("never", { parties: 2 })
      .wait({ timeout_ms: 50 })
      .catch((error: unknown) => error);
    expect(isToolError(late, "timed_out")).toBe(true);
    return { wrote, order };
  };
  await withWorker({ pool, run: work }, async () => {
    const task = await run.tasks.create({ pool, instructions: "Hold.", retries: { limit: 2, backoff_ms: 10 } });
    expect(await task.result()).toEqual({ wrote: ["a", "b"], order: ["one", "two"] });
    // What it held at its end is free.
    await run.lock("turn").with(() => undefined, { timeout_ms: 5000 });
  });
  expect(tokens).toEqual([1, 1, 1]);
  const { events } = await heddle.events(run.id, { limit: 1000 });
  expect(events.filter(({ type }) => type === "actor_opened")).toHaveLength(1);
});

it("a task takes no turn after the one that reached its max_tokens: it fails as a hosted one does, and the next is given", async () => {
  const pool = newPool();
  await using run = await heddle.runs.create({ limits: { pools: [pool] } });
  const [greedy, modest] = await run.tasks.create([
    { pool, instructions: "Go on for ever.", max_tokens: 100 },
    { pool, instructions: "Say it once." },
  ]);
  const says = (content: string) => [{ role: "assistant" as const, content }];
  const ends: string[] = [];
  const left: (number | undefined)[] = [];
  const options: WorkOptions = {
    pool,
    onEnd: (_, end) => ends.push(end),
    run: async (task) => {
      if (task.lease.task.id === modest!.id) return "once";
      for (let turn = 1; ; turn++) {
        left.push(task.tokensLeft);
        await task.turn(says(`turn ${turn}`), { input_tokens: 50, output_tokens: 10 });
      }
    },
  };
  await withWorker(options, async () => {
    expect(await modest!.result()).toBe("once");
  });
  expect(left).toEqual([100, 40, 0]);
  expect(await heddle.task(run.id, greedy!.id)).toMatchObject({
    state: "failed",
    turns: 2,
    error: { code: "max_tokens" },
    usage: { input_tokens: 150, output_tokens: 30 },
  });
  expect(ends.sort()).toEqual(["lost", "succeeded"]);
});
