/** Group commit: what waits together is committed together, in order, and nobody pays for another's bug. */

import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { commandsPerCommit, commitsInARow } from "../../src/limits.ts";
import { Commits } from "../../src/objects/commits.ts";
import type { Idem } from "../../src/objects/rpc.ts";
import { bindings, makeRun, type TestRun, value } from "./lib/runs.ts";

/** Commits under a storage whose flushes the test ends. */
function underTest(run: (commands: readonly number[]) => number[]) {
  const groups: number[][] = [];
  const flushes: { end: () => void; fail: (error: Error) => void }[] = [];
  const commits = new Commits<number, number>(
    (commands) => {
      groups.push([...commands]);
      return run(commands);
    },
    () => new Promise<void>((resolve, reject) => flushes.push({ end: resolve, fail: reject })),
  );
  const flush = async () => {
    flushes.shift()!.end();
    await settled();
  };
  return { commits, groups, flushes, flush };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const tenfold = (commands: readonly number[]) => commands.map((n) => n * 10);

describe("Commits", () => {
  it("runs a command at once when no commit is under way (G1)", async () => {
    const { commits, groups, flush } = underTest(tenfold);
    const one = commits.submit(1);
    expect(groups).toEqual([[1]]);
    expect(await one).toBe(10);
    await flush();
    void commits.submit(2);
    expect(groups).toEqual([[1], [2]]);
  });

  it("lets what comes meanwhile share the next commits, in order, so many at most (G2)", async () => {
    const { commits, groups, flush } = underTest(tenfold);
    const all = Promise.all(upTo(0, 2 * commandsPerCommit + 1).map((n) => commits.submit(n)));
    await settled();
    expect(groups).toEqual([[0]]);
    await flush();
    expect(groups.at(-1)).toEqual(upTo(1, commandsPerCommit));
    await flush();
    expect(groups.at(-1)).toEqual(upTo(commandsPerCommit + 1, 2 * commandsPerCommit));
    await flush();
    expect(groups.at(-1)).toEqual([2 * commandsPerCommit + 1]);
    expect(await all).toEqual(upTo(0, 2 * commandsPerCommit + 1).map((n) => n * 10));
  });

  it("lets others in after so many commits in a row (G3)", async () => {
    const seen: string[] = [];
    const commits = new Commits<number, number>(
      (commands) => {
        seen.push("commit");
        return tenfold(commands);
      },
      () => Promise.resolve(),
    );
    const outside = settled().then(() => seen.push("outside"));
    const all = upTo(1, 3 * commitsInARow * commandsPerCommit).map((n) => commits.submit(n));
    await Promise.all([...all, outside]);
    expect(seen.indexOf("outside")).toBeLessThanOrEqual(commitsInARow);
    expect(seen).toHaveLength(3 * commitsInARow + 2);
  });

  it("rejects only the command that breaks; the others of its group are run without it (G4)", async () => {
    const done: number[] = [];
    const { commits, flush } = underTest((commands) => {
      if (commands.includes(3)) throw new Error("a bug");
      done.push(...commands);
      return tenfold(commands);
    });
    const all = Promise.allSettled([1, 2, 3, 4].map((n) => commits.submit(n)));
    await flush();
    expect((await all).map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
    expect(done).toEqual([1, 2, 4]);
  });

  it("rejects what waits when the storage is lost, and serves again", async () => {
    const { commits, flushes, flush } = underTest(tenfold);
    const first = commits.submit(1);
    const second = commits.submit(2);
    flushes.shift()!.fail(new Error("storage lost"));
    expect(await first).toBe(10);
    await expect(second).rejects.toThrow("storage lost");
    const third = commits.submit(3);
    expect(await third).toBe(30);
    await flush();
  });
});

/** Rows of the log that begin after an event. */
const rowsAfter = (run: TestRun, seq: number): Promise<number> =>
  runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), (_, { storage }) =>
    Number(storage.sql.exec("SELECT count(*) AS rows FROM log WHERE seq > ?", seq).one().rows),
  );

describe("a busy run", () => {
  it("commits completions together: fewer rows than completions, each with its own effect, once, repeats included", async () => {
    const run = await makeRun({ limits: { pools: ["box"], workers: 64 } });
    const tasks = 40;
    await run.create(...upTo(1, tasks).map((n) => ({ key: `t${n}`, pool: "box", instructions: `do ${n}` })));
    const leases = value(await run.rpc.leases({ pool: "box", worker: "w", max: tasks, contextBytes: 1e6 }));
    const idem = (n: number): Idem => ({ key: `k${n}`, fingerprint: `f${n}` });
    const { last_seq } = await run.view();
    // One stub, so that the calls arrive in the order in which they are made.
    const { rpc } = run;
    const complete = (n: number) =>
      rpc.complete(leases[n]!, { result: { n }, next: false, worker: "w" }, idem(n)) as Promise<unknown>;
    const twice = await Promise.all(upTo(0, tasks - 1).flatMap((n) => [complete(n), complete(n)]));
    expect(twice).toEqual(twice.map(() => ({ ok: true, value: {} })));
    expect(await rowsAfter(run, last_seq)).toBeLessThan(tasks);
    await run.evict();
    expect((await run.tasks()).map(({ result, state }) => ({ result, state }))).toEqual(
      leases.map((_, n) => ({ result: { n }, state: "succeeded" })),
    );
    const ends = (await run.events()).filter(({ seq, type }) => seq > last_seq && type === "task_ended");
    expect(ends.length).toBe(tasks);
  });
});
