/** A long log, a large context, many tasks: what is loaded from a checkpoint and a tail equals what was in memory. */

import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { rawAt, rawElements } from "../../src/context/json-text.ts";
import { batchTasksMax, checkpointTailRows } from "../../src/limits.ts";
import { bindings, makeRun, TestClock, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

/** The object's own tables. */
const rowsOf = (run: TestRun, sql: string): Promise<Record<string, unknown>[]> =>
  runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), async (_, state) =>
    state.storage.sql.exec(sql).toArray(),
  );

const everything = async (run: TestRun) => ({
  run: await run.view(),
  tasks: await run.tasks(),
  events: await run.events(),
});

describe("a log longer than a checkpoint's tail", () => {
  it("loads as it was: checkpoint, then tail", async () => {
    // Stands still, so that no backoff or lease ends between two looks.
    using _clock = new TestClock();
    const run = await makeRun({ limits: { pools: ["box"], workers: 1000 } });
    const count = 800;
    await run.create(
      ...Array.from({ length: count }, (_, i) => ({
        key: `t-${i}`,
        pool: "box",
        instructions: `do ${i}`,
        labels: { n: `${i}` },
        // Live over the checkpoint: chains that hang on the first tasks, and some that are never done.
        ...(i >= 600 && { after: [`t-${i - 600}`] }),
      })),
    );
    const turn = {
      messages: ['{"role":"assistant","content":"a turn"}'],
      usage: { input_tokens: 3, output_tokens: 1 },
    };
    for (let i = 0; i < 620; i++) {
      const lease = (await run.lease(`w-${i % 7}`))!;
      value(await run.rpc.turn(lease, turn));
      if (i % 5 === 4) {
        value(await run.rpc.fail(lease, { error: { code: "bad", message: `${i}` }, retryable: i % 10 === 9 }));
      } else if (i % 7 !== 3) {
        value(await run.rpc.complete(lease, { result: { i }, next: false, worker: "w" }));
      }
    }
    const rows = (await rowsOf(run, "SELECT count(*) AS n FROM log"))[0]!.n as number;
    expect(rows).toBeGreaterThan(checkpointTailRows / 2);
    const before = await everything(run);
    await run.evict();
    expect(await everything(run)).toEqual(before);

    // On, over the checkpoint, and again.
    for (let i = 0; i < 500; i++) {
      const lease = await run.lease("late");
      if (!lease) break;
      value(await run.rpc.turn(lease, turn));
      value(await run.rpc.turn(lease, turn));
      value(await run.rpc.complete(lease, { result: "late", next: false, worker: "late" }));
    }
    expect((await rowsOf(run, "SELECT count(*) AS n FROM log"))[0]!.n).toBeGreaterThan(checkpointTailRows);
    const header = await rowsOf(run, "SELECT value FROM meta WHERE name = 'header'");
    expect(header).toHaveLength(1);
    const checkpointed = (JSON.parse(header[0]!.value as string) as { seq: number }).seq;
    const after = await everything(run);
    expect(checkpointed).toBeGreaterThan(0);
    expect(checkpointed).toBeLessThan(after.run.last_seq);
    await run.evict();
    expect(await everything(run)).toEqual(after);
    // It goes on, too: a retried task has its dependents skipped and waiting again.
    const failed = after.tasks.find(({ state }) => state === "failed")!;
    value(await run.rpc.retryTask(failed.id, undefined));
    const retried = await everything(run);
    await run.evict();
    expect(await everything(run)).toEqual(retried);
    value(await run.rpc.cancelRun("enough"));
    const ended = await everything(run);
    await run.evict();
    expect(await everything(run)).toEqual(ended);
  }, 120_000);
});

describe("a context of 8 MB", () => {
  const letters = 'naïve café — 漢字 \\u00e9 \\" {} [] , : ';
  /** About `size` bytes of JSON text that no printer would write so. */
  const big = (role: string, tag: string, size: number) =>
    `{ "content" : "${tag} ${letters.repeat(Math.ceil(size / 40))}",\n "role" :"${role}" }`;

  it("is appended, forked and read back byte for byte", async () => {
    const run = await makeRun({ context: { format: "anthropic", messages: [] } });
    const messages = [big("user", "one", 3e6), big("assistant", "two", 3e6), big("user", "three", 3e6)];
    let head = (await run.view()).snapshot;
    for (const message of messages) {
      head = value(await run.rpc.appendContext({ after: head, messages: [message] })).snapshot;
    }
    expect(messages.join("").length).toBeGreaterThan(8e6);
    for (const { n } of await rowsOf(run, "SELECT max(length(CAST(text AS BLOB))) AS n FROM chunks")) {
      expect(n).toBeLessThan(2_000_000);
    }
    await run.evict();
    const texts = (context: string) => rawElements(rawAt(context, ["messages"])!);
    expect(texts(value(await run.rpc.snapshot(head)).contextText)).toEqual(messages);

    const before = (await rowsOf(run, "SELECT sum(length(text)) AS n FROM chunks"))[0]!.n as number;
    await run.create(...Array.from({ length: 100 }, (_, i) => ({ key: `t-${i}`, instructions: `do ${i}` })));
    // A fork is a pointer.
    const after = (await rowsOf(run, "SELECT sum(length(text)) AS n FROM chunks"))[0]!.n as number;
    expect(after - before).toBeLessThan(1000);
    const own = texts(value(await run.rpc.taskContext("t-7")).contextText);
    expect(own.slice(0, 3)).toEqual(messages);
    expect(own).toHaveLength(4);

    // It travels to a seat once; the next task of the seat gets its own messages only.
    const first = (await run.seat("s"))!;
    expect(first.steps.flatMap((step) => step.messages)).toEqual(messages);
    const over = await run.rpc.leaveSeat(
      first,
      { kind: "end", ending: { kind: "result", result: "ok" } },
      { nonce: "s", have: [first.snapshot] },
    );
    expect(over).toMatchObject({ kind: "over", work: { from: head, steps: [] } });
  });
});

describe("a run of 10,000 tasks", () => {
  it("takes them, lists them, finishes them and survives an eviction", async () => {
    const run = await makeRun({ limits: { pools: ["box"], workers: 1000, tasks: 10_000 } });
    for (let at = 0; at < 10_000; at += batchTasksMax) {
      await run.create(
        ...Array.from({ length: batchTasksMax }, (_, i) => ({
          key: `t-${at + i}`,
          pool: "box",
          instructions: `do ${at + i}`,
          ...(at > 0 && { after: [`t-${at + i - batchTasksMax}`] }),
        })),
      );
    }
    const more = await run.rpc.createTasks({ tasks: [{ instructions: "one too many" }] });
    expect(more).toMatchObject({ ok: false, fault: { code: "limit_tasks" } });
    await run.evict();
    expect(await run.view()).toMatchObject({ counts: { ready: 1000, waiting: 9000 } });

    const started = value(await run.rpc.leases({ pool: "box", worker: "w", max: 64, contextBytes: 24e6 }));
    expect(started).toHaveLength(64);
    await Promise.all(
      started.map(async (first) => {
        let lease: typeof first | undefined = first;
        for (let n = 0; lease; n++) {
          const input = { result: `r${n}`, next: true, worker: "w" };
          lease = value(await run.rpc.complete(lease, input)).lease;
        }
      }),
    );
    expect(await run.view()).toMatchObject({ counts: { succeeded: 10_000 }, idle: true });
    await run.evict();
    expect(await run.view()).toMatchObject({ counts: { succeeded: 10_000 }, idle: true });
    const tasks = await run.tasks();
    expect(tasks).toHaveLength(10_000);
    expect(tasks.every(({ state, attempts, result }) => state === "succeeded" && attempts === 1 && result)).toBe(true);
    expect(value(await run.rpc.finishRun({ cancel: false })).status).toBe("succeeded");
  }, 180_000);
});
