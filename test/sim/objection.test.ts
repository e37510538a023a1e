/** What a log from elsewhere is checked by lets everything through that the rules themselves decide. */

import { expect, test } from "vitest";
import { loggedEvents } from "../../src/contract/logged-events.ts";
import { compileRules } from "../../src/rules/parse.ts";
import { conditionForms, limitForms } from "../../src/rules/table.ts";
import { apply } from "../../src/scheduler/apply.ts";
import { pop } from "../../src/scheduler/message-queues.ts";
import { objection } from "../../src/scheduler/objection.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { newState, Run } from "../scheduler/run.ts";
import { World } from "./world.ts";

const worlds = 10;
const steps = 300;

test("[G4] no event of a simulated run meets an objection, or has a field that files may not have", () => {
  for (let seed = 1; seed <= 2 * worlds + worlds / 2; seed++) {
    const world = new World(seed, { scopes: seed > worlds, rules: seed > 2 * worlds, questions: seed % 3 === 0 });
    for (let step = 0; step < steps; step++) world.step();
    world.finish();
    const state = newState();
    for (const { seq, event, at } of world.log) {
      // The simulation's runs have their limits from the start, and its snapshots are names.
      const why = seq === 1 ? undefined : objection(state, event);
      const hash = "0".repeat(32);
      const shown = {
        ...event,
        ...("snapshot" in event && { snapshot: hash }),
        ...(event.type === "task_created" &&
          event.on_failure && { on_failure: { ...event.on_failure, snapshot: hash } }),
        ...(event.type === "task_retried" && event.from && { from: { ...event.from, snapshot: hash } }),
        ...(event.type === "context_compacted" && { from: hash, to: hash }),
      };
      const parsed = loggedEvents[event.type].safeParse(shown);
      expect({ seed, event, why, fields: parsed.error?.issues }).toMatchObject({ why: undefined, fields: undefined });
      apply(state, event, seq, at);
    }
  }
}, 30_000);

test("[G4] a file may have a rule of each form", () => {
  const texts = [
    ...limitForms.map(({ example }) => example),
    ...conditionForms.map(({ example }) => `when ${example}: pause`),
  ];
  for (const text of texts) {
    const compiled = compileRules(`- ${text}`);
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
    const parsed = loggedEvents.rules_set.safeParse({ type: "rules_set", from: "run", rules: compiled.rules });
    expect({ text, wrong: parsed.error?.issues }).toEqual({ text, wrong: undefined });
  }
});

test("[G4] only who waits for somebody outside asks, and only a stall is given more time", () => {
  const run = new Run();
  const [task] = run.post({}) as [Task];
  run.start(task);
  const asking = (external: boolean) =>
    objection(run.state, {
      ...{ type: "call_waiting", task: task.n, call: "c", targets: [], mode: "all", ask: "May I?" },
      want: { kind: "pop", names: ["q"], max: 1, external },
    });
  expect(asking(true)).toBeUndefined();
  expect(asking(false)).toMatch(/outside/);
  expect(objection(run.state, { type: "stall_extended" })).toMatch(/stands still/);
  run.step((step) => pop(step, { task, call: "c", until: 0 }, "q", { max: 1, external: false }));
  expect(objection(run.state, { type: "stall_extended" })).toBeUndefined();
});

test("[G4] a log begins with the run's creation, and goes on without it", () => {
  const state = newState();
  expect(objection(state, { type: "task_observed", task: 1 })).toMatch(/run_created/);
  const begin = { type: "run_created", limits: state.header.limits, snapshot: "s" } as const;
  expect(objection(state, begin)).toBeUndefined();
  apply(state, begin, 1, 0);
  expect(objection(state, begin)).toMatch(/once/);
});
