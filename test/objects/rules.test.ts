/** Rules through the objects: what outlives memory, who hears of workers' loads, and the deployment's own. */

import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { RunScheduler } from "../../src/objects/run-scheduler.ts";
import type { SeatWork } from "../../src/objects/seat-rpc.ts";
import { compileRules } from "../../src/rules/parse.ts";
import { eventually } from "./lib/eventually.ts";
import { copyOf, exported, imported, resealed, send } from "./lib/files.ts";
import { bindings, codeOf, gateOf, makeRun, newTenant, TestClock, type TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();

function input(text: string) {
  const compiled = compileRules(text);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  return { rules: compiled.rules, text };
}

const typesOf = async (run: TestRun) => (await run.events()).map(({ type }) => type);
const inBox = (count: number) => Array.from({ length: count }, () => ({ instructions: "x", pool: "box" }));

describe("rules", () => {
  it("and what became of them outlive the object's memory", async () => {
    const rules = input(
      '- at most 3 workers for pool "box"\n- when tokens used > 100: at most 1 worker for pool "box"',
    );
    const run = await makeRun({ rules });
    const [event] = (await run.events()).filter(({ type }) => type === "rules_set");
    expect(event).toMatchObject({
      from: "run",
      rules: [
        { line: 1, rule: 'at most 3 workers for pool "box"' },
        { line: 2, rule: 'when tokens used > 100: at most 1 worker for pool "box"' },
      ],
    });
    await run.create(...inBox(5));
    const first = (await run.lease())!;
    await run.lease();
    await run.lease();
    expect(await run.lease()).toBeUndefined();
    await run.evict();
    expect(await run.lease()).toBeUndefined();
    const done = { result: "done", usage: { input_tokens: 90, output_tokens: 11 } };
    value(await run.rpc.complete({ taskNumber: first.taskNumber, fence: first.fence }, done as never));
    const { rules: seen } = await run.view();
    expect(seen!.rules[1]).toMatchObject({ on: true, fired: 1 });
    await run.evict();
    expect((await run.view()).rules).toEqual(seen);
    // Two work still, and one may.
    expect(await run.lease()).toBeUndefined();
    value(await run.rpc.setRules(input("")));
    expect(await run.lease()).toBeDefined();
    expect((await run.view()).rules).toBeNull();
  });

  it("that pause with the turn that passes their bound are told to the seat with it: it makes no other call", async () => {
    const run = await makeRun({ rules: input("- when model calls >= 2: pause") });
    await run.create({ instructions: "x", pool: "hosted" });
    const work = (await run.rpc.openSeat(run.ticket("a"), nextTask("a"))) as SeatWork;
    const turn = (text: string) => {
      const message = JSON.stringify({ role: "assistant", content: text });
      const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
      return { messages: [message], usage, shown: 0, calls: [] };
    };
    const told = [];
    for (const text of ["one", "two"]) told.push(await run.rpc.seatTurn(work, turn(text), undefined));
    expect((await run.view()).status).toBe("paused");
    expect(told).toMatchObject([
      { kind: "go_on", paused: false },
      { kind: "go_on", paused: true },
    ]);
  });

  it("that set a budget hold for a task that has its seat already: it reserves its next call", async () => {
    const run = await makeRun();
    await run.create({ instructions: "x", pool: "hosted" });
    const work = (await run.rpc.openSeat(run.ticket("a"), nextTask("a"))) as SeatWork;
    const message = JSON.stringify({ role: "assistant", content: "so far" });
    const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
    const turn = () => run.rpc.seatTurn(work, { messages: [message], usage, shown: 0, calls: [] }, undefined);
    expect([work.reserves, await turn()]).toMatchObject([false, { reserves: false }]);
    value(await run.rpc.setRules(input("- budget 60,000 tokens per task")));
    expect(await turn()).toMatchObject({ reserves: true });
    value(await run.rpc.setRules(input("")));
    expect(await turn()).toMatchObject({ reserves: false });
    value(await run.rpc.budget({ tokens: 1000 }));
    expect(await turn()).toMatchObject({ reserves: true });
  });

  it("that need nothing but time are looked at by the alarm", async () => {
    using clock = new TestClock();
    const run = await makeRun({
      rules: input("- at most 2 workers\n- when queue wait p95 > 30 s: double workers up to 8"),
    });
    await run.create(...inBox(4));
    await run.lease();
    clock.forward(1000);
    expect(await run.ring()).toBe(true);
    clock.forward(29_001);
    expect(await run.ring()).toBe(true);
    expect((await run.view()).rules!.workers).toMatchObject({ max: 4, by: { line: 2 } });
  });

  it("about workers' loads hear of them, and of those that ask for nothing; a run without such rules does not", async () => {
    const tenant = newTenant();
    const plain = await makeRun({ tenant });
    const run = await makeRun({ tenant, rules: input('- when worker load > 90%: at most 1 worker for pool "box"') });
    for (const one of [plain, run]) await one.create(...inBox(4));
    const ask = (max: number, cpu: number) =>
      gateOf(tenant).lease({ tenant, pool: "box", worker: "w", max, waitMs: 0, load: { cpu, memory: 0.1 } });
    expect(value(await ask(8, 0.5))).toHaveLength(8);
    const loads = (await run.events()).filter(({ type }) => type === "worker_load");
    expect(loads).toMatchObject([{ pool: "box", worker: "w", percent: 50 }]);
    await run.create(...inBox(2));
    expect(value(await ask(0, 0.97))).toEqual([]);
    expect((await run.view()).rules!.rules[0]).toMatchObject({ on: true, fired: 1 });
    expect(value(await ask(2, 0.5))).toEqual([]);
    expect(await typesOf(plain)).not.toContain("worker_load");
    // One that gets such a rule while tasks wait is told of what comes then.
    value(await plain.rpc.setRules(input("- when worker load > 40%: halve workers")));
    await plain.create(...inBox(1));
    value(await ask(0, 0.95));
    expect((await plain.view()).rules!.rules[0]).toMatchObject({ on: true });
  });

  it("about workers' loads of one pool hear of them whatever else the run has for other pools, or has no more", async () => {
    const tenant = newTenant();
    const rules = input('- when worker load > 90%: at most 1 worker for pool "box"');
    const run = await makeRun({ tenant, rules, limits: { pools: ["box", "yard"] } });
    await run.create(...inBox(1), { pool: "yard", instructions: "dig" });
    const ask = (pool: string, max: number, cpu: number) =>
      gateOf(tenant).lease({ tenant, pool, worker: "w", max, waitMs: 0, load: { cpu, memory: 0.1 } });
    await eventually(async () => expect(value(await ask("yard", 1, 0.1))).toHaveLength(1));
    await eventually(async () => {
      value(await ask("box", 0, 0.97));
      expect((await run.view()).rules!.rules[0]).toMatchObject({ on: true, fired: 1 });
    });
  });

  it("bound the totals that are asked for, and count in the place of defaults", async () => {
    const run = await makeRun({ rules: input("- at most 5 workers\n- when tokens used > 100: at most 2 workers") });
    expect((await run.view()).limits.workers).toBe(5);
    expect((await run.view()).rules!.workers).toMatchObject({ max: 5, by: { line: 1 } });
    expect(codeOf(await run.rpc.budget({ tokens: 9000 }))).toBe("ok");
    expect(codeOf(await run.rpc.setRules(input("- budget 500 tokens")))).toBe("ok");
    expect((await run.view()).limits.tokens).toBe(500);
    expect(codeOf(await run.rpc.budget({ tokens: 600 }))).toBe("bound_by_rules");
  });
});

describe("a run's file", () => {
  it("has its rules, with what became of them", async () => {
    const rules = input("- at most 4 workers\n- when tokens used > 100: halve workers");
    const run = await makeRun({ rules });
    await run.create(...inBox(3));
    const lease = (await run.lease())!;
    const usage = { input_tokens: 101, output_tokens: 0 };
    value(await run.rpc.complete({ taskNumber: lease.taskNumber, fence: lease.fence }, { result: 1, usage } as never));
    const { rules: seen } = await run.view();
    expect(seen!.workers).toMatchObject({ max: 2, by: { line: 2 } });
    const copy = await imported(run, await exported(run));
    expect((await copy.view()).rules).toEqual(seen);
    const forged = resealed(
      (await exported(run)).map((line) =>
        line
          .replaceAll('\\"max\\":4', '\\"max\\":4000')
          .replaceAll('"max":4,', '"max":4000,')
          .replaceAll('"max":4}', '"max":4000}'),
      ),
    );
    expect(codeOf(await send(copyOf(run), forged))).toBe("import_invalid");
  });
});

describe("rules of the deployment", () => {
  /** The run's object as it is under a deployment with these rules. */
  const under = (run: TestRun, rules: string | undefined) =>
    runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), async (_, ctx) => {
      const { HEDDLE_RULES: __, ...env } = bindings;
      return value(await new RunScheduler(ctx, { ...env, ...(rules !== undefined && { HEDDLE_RULES: rules }) }).run());
    });

  it("hold a run that is there from the next start on, and are gone with the deployment's", async () => {
    const run = await makeRun({ rules: input("- at most 20 workers") });
    const held = await under(run, "- at most 3 workers\n- at most 100 tasks");
    expect(held.limits).toMatchObject({ workers: 3, tasks: 100 });
    expect(held.rules!.workers).toEqual({ max: 3, by: { from: "deployment", line: 1, rule: "at most 3 workers" } });
    // The same again is no event; ones that can't be read change nothing.
    expect((await under(run, "- at most 3 workers\n- at most 100 tasks")).last_seq).toBe(held.last_seq);
    expect(await under(run, "- at most 3 wrkers")).toEqual(held);
    expect((await under(run, undefined)).limits).toMatchObject({ workers: 20, tasks: 10_000 });
  });

  it("that can't be read let no run be created: nobody would be held to them", async () => {
    const run = await makeRun();
    const other = bindings.RUNS.getByName(`${run.tenant}/other`);
    const create = (rules: string) =>
      runInDurableObject(other, (_, ctx) =>
        new RunScheduler(ctx, { ...bindings, HEDDLE_RULES: rules }).createRun({
          ...{ tenant: run.tenant, run: "run_0123456789abcdefghjk", limits: {} },
          context: { format: "anthropic", messages: [] },
        }),
      );
    expect(await create("# R\n- at most 3 wrkers")).toMatchObject({
      fault: { code: "not_ready", detail: expect.stringMatching(/^HEDDLE_RULES, line 2: /) },
    });
    expect(value(await create("# R\n- at most 3 workers"))).toMatchObject({ limits: { workers: 3 } });
  });
});
