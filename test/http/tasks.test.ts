/** Lists of tasks and waits, where one answer of the run's object is not all of it, or not what was asked for. */

import { expect, test } from "vitest";
import type { TaskView } from "../../src/contract/shapes.ts";
import { listTasks, waitPieces } from "../../src/http/tasks.ts";
import type { Reply, TasksInput, TasksPage } from "../../src/objects/rpc.ts";

const task = { id: "T1-abcdef", key: "a" } as TaskView;

/** An object of this version, or of one that passes over filters that it does not know. */
const listing = (page: Partial<TasksPage>) => ({
  tasks: async (): Promise<Reply<TasksPage>> => ({ ok: true, value: { rows: [task], nextCursor: null, ...page } }),
});

test.each<Partial<TasksInput>>([
  { label: "team=red" },
  { key: "b", cursor: "5" },
  { pool: "box", state: "failed" },
  { parent: "T9-abcdef" },
])("tasks of %j are not answered by an object of a version before, which would tell all of them", async (which) => {
  const query = { limit: 10, ...which };
  expect((await listTasks(listing({ isFiltered: true }), query)).rows).toEqual([task]);
  const { cursor: _, state: __, ...newer } = which;
  await expect(listTasks(listing({}), query)).rejects.toMatchObject({
    data: { code: "overloaded", detail: expect.stringContaining(Object.keys(newer).join(", ")) },
  });
});

test("what an object of a version before knows, it answers", async () => {
  for (const which of [{}, { state: "failed" as const, cursor: "5" }])
    expect((await listTasks(listing({}), { limit: 10, ...which })).rows).toEqual([task]);
});

test("a wait whose tasks come in several calls says as well that its run is paused", async () => {
  const rest = async (from: number) => ({ done: false, tasks: [{ ...task, id: `T${from + 1}-abcdef` }] });
  let text = "";
  for await (const piece of waitPieces({ done: false, paused: "asked" }, [task], 3, rest)) text += piece;
  const tasks = [1, 2, 3].map((n) => ({ ...task, id: `T${n}-abcdef` }));
  expect(JSON.parse(text)).toEqual({ done: false, paused: "asked", tasks });
});
