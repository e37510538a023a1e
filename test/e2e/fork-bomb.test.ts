/**
 * A fork bomb of hosted agents: every task creates as many as it may, recursively. It ends by itself within its limits, tells
 * every agent why, and another run of the same tenant goes on meanwhile. What it cost is printed and bounded.
 */

import { expect, it } from "vitest";
import { sharedServer } from "./lib/shared.ts";
import { plays, says } from "./lib/sim.ts";

const server = sharedServer();
const limits = { tasks: 300, children: 8, depth: 4, workers: 16 };

/** Its own instructions lie in a variable: each task reads them and hands them on, as often as it may and once more. */
const create = (count: number) => ({
  tool: "create_task",
  arguments: { tasks: Array.from({ length: count }, () => ({ instructions: "{{1.0.text}}" })) },
});
const bomb = plays(
  [
    { calls: [{ tool: "shared_memory", arguments: { op: "read", name: "bomb" } }] },
    { calls: [create(limits.children)] },
    { calls: [create(1)] },
    { text: "done" },
  ],
  "Split the work.",
);

it("ends by itself, within its limits, while another run goes on", async () => {
  const { heddle } = server;
  const started = Date.now();
  const { id } = await heddle.createRun({ name: "bomb", limits });
  await heddle.callTool(id, "shared_memory", { arguments: { op: "write", name: "bomb", text: bomb } });
  await heddle.createTasks(id, { tasks: [{ key: "bomb", instructions: bomb }] });
  const other = await heddle.createRun({ name: "other" });
  await heddle.createTasks(other.id, {
    tasks: Array.from({ length: 5 }, (_, n) => ({ key: `o${n}`, instructions: says(`${n}`) })),
  });
  const seen = await heddle.waitFor(other.id);
  const otherMs = Date.now() - started;
  expect(seen).toMatchObject({ done: true, counts: { succeeded: 5 } });
  const during = await heddle.run(id);
  await heddle.waitFor(id);
  const run = await heddle.run(id);
  const ms = Date.now() - started;

  const errors = new Map<string, number>();
  let turns = 0;
  let most = 0;
  for await (const task of heddle.tasks(id, { limit: 1000 })) {
    turns += task.turns;
    most = Math.max(most, task.depth);
    if (task.depth === 1 || Number(/\d+/.exec(task.id)![0]) > run.counts.succeeded - 40) {
      const { text } = await server.call("GET", `/v1/runs/${id}/tasks/${task.id}/context`);
      for (const code of ["limit_tasks", "limit_depth", "limit_children"]) {
        // As the model reads it: a code, what is the case, and a way on.
        if (new RegExp(`${code}[^}]*message[^}]*hint`).test(text)) errors.set(code, (errors.get(code) ?? 0) + 1);
      }
    }
  }
  let bytes = 0;
  for await (const line of heddle.exportRun(id)) bytes += line.length;
  const { tokens } = run.usage;
  console.log("fork bomb:", { ms, otherMs, tasks: run.counts, turns, events: run.last_seq, bytes, tokens, errors });

  expect(run.counts).toMatchObject({ waiting: 0, ready: 0, running: 0, parked: 0, failed: 0 });
  expect(run.counts.succeeded).toBeLessThanOrEqual(limits.tasks);
  expect(run.counts.succeeded).toBeGreaterThan(limits.tasks - limits.children);
  expect(most).toBeLessThanOrEqual(limits.depth);
  expect(errors.get("limit_children")).toBeGreaterThan(0);
  expect(errors.get("limit_tasks")).toBeGreaterThan(0);
  // As docs/operating.md says: a task has its turns, a few events beside them, and its own text a few times over.
  expect(turns).toBeLessThanOrEqual(4 * limits.tasks);
  expect(run.last_seq).toBeLessThanOrEqual(11 * limits.tasks);
  // A fork knows all that its ancestors knew: what a turn reads grows with the depth, and not with the number of tasks.
  expect(tokens).toBeLessThan(turns * 20_000);
  expect(bytes).toBeLessThan(limits.tasks * 64 * 1024);
  expect(during.counts.succeeded).toBeLessThan(run.counts.succeeded);
  expect(ms).toBeLessThan(60_000);
  await heddle.finishRun(id);
  expect(await heddle.run(id)).toMatchObject({ status: "succeeded" });
}, 90_000);
