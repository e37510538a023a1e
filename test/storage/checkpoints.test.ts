import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { checkpointTailRows } from "../../src/limits.ts";
import { createTasks } from "../../src/scheduler/create-tasks.ts";
import { endTask } from "../../src/scheduler/end-task.ts";
import { Step } from "../../src/scheduler/step.ts";
import { plainTask } from "../../src/scheduler/task-record.ts";
import { pageText, tasksIn } from "../../src/storage/run/page-text.ts";
import { RunStore } from "../../src/storage/run/run-store.ts";
import { packTask, unpackTask } from "../../src/storage/run/task-codec.ts";
import { newTaskOf, numberOf, Run, usualLimits } from "../scheduler/run.ts";
import { Storage } from "../sim/system/platform/storage.ts";

test("a task comes back from a checkpoint as it went in", () => {
  const run = new Run();
  const [task] = run.post({ priority: 7 });
  run.start(task!);
  expect(unpackTask(JSON.parse(JSON.stringify(packTask(task!))) as Record<string, unknown>)).toEqual(plainTask(task!));
});

const aTask = fc.record({
  key: fc.option(fc.oneof(fc.string(), fc.constantFrom('},{"n":3,', '"},{"n":3,"', "\\"))),
  labels: fc.option(fc.dictionary(fc.constantFrom("n", "{", '},{"n":'), fc.string())),
  holds: fc.array(fc.record({ name: fc.string(), token: fc.nat() }), { maxLength: 3 }),
  n: fc.constant(0),
});
type Some = { readonly n: number };

test("a page comes apart into its tasks, whatever texts they have, and together again to the letter", () => {
  const page = fc.dictionary(fc.integer({ min: -9, max: 600 }).map(String), aTask, { maxKeys: 8 });
  fc.assert(
    fc.property(page, fc.boolean(), (some, isFirst) => {
      const tasks = Object.entries(some)
        .map(
          ([n, task]): Some => (isFirst ? { ...{ n: Number(n) }, ...task, n: Number(n) } : { ...task, n: Number(n) }),
        )
        .sort((a, b) => a.n - b.n);
      const text = JSON.stringify(tasks);
      const apart = tasksIn(text);
      expect(Array.from(apart, ([n, one]) => [n, JSON.parse(one)])).toEqual(tasks.map((task) => [task.n, task]));
      expect(pageText(new Map([...apart].reverse()))).toBe(text);
    }),
  );
});

test("a packed task begins with its number", () => {
  const [task] = new Run().post({ key: "k", priority: 7 });
  expect(JSON.stringify(packTask(task!))).toMatch(/^\{"n":1,/);
});

/** Texts parsed, in characters. */
function parsedBy(work: () => void): number {
  const spy = vi.spyOn(JSON, "parse");
  work();
  const chars = spy.mock.calls.reduce((sum, [text]) => sum + text.length, 0);
  spy.mockRestore();
  return chars;
}

test("a look at one task of a page, and a change of one, read no other's text", () => {
  const storage = new Storage();
  const store = RunStore.create(storage.reader, { tenant: "t", run: "run_1" });
  const state = store.load();
  const step = (decide: (step: Step) => void) => {
    const one = new Step(state, 1);
    decide(one);
    store.append(one.decided, 1);
  };
  step((one) => {
    one.emit({ type: "run_created", limits: usualLimits, snapshot: "s0" });
    const batch = Array.from({ length: 1000 }, (_, i) => newTaskOf({ instructions: "do it", key: `k${i}` }));
    createTasks(one, undefined, batch, numberOf);
  });
  const checkpoint = () => {
    for (let rows = 0; rows < checkpointTailRows; rows++) step((one) => one.emit({ type: "run_retained", days: 1 }));
    store.checkpointIfDue(state);
  };
  checkpoint();
  expect(parsedBy(() => expect(store.load().peek(700)?.key).toBe("k699"))).toBeGreaterThan(100_000);
  const loaded = store.load();
  loaded.tasks.clear();
  expect(parsedBy(() => expect(loaded.peek(700)?.key).toBe("k699"))).toBeLessThan(1000);
  step((one) => endTask(one, state.task(3), { state: "cancelled" }));
  expect(parsedBy(checkpoint)).toBeLessThan(1000);
  expect(store.load().peek(3)?.phase.state).toBe("cancelled");
  expect(store.load().peek(4)?.key).toBe("k3");
  storage.close();
});
