/** Calls of one reply: side by side where nobody can tell, else in the reply's order, as on a hosted worker. */

import { expect, it } from "vitest";
import { toolNames } from "../../src/contract/tools.ts";
import { isCarriedOutLater } from "../../src/contract/variable-tools.ts";
import { dataTools, ReplyOrder } from "../../src/loops/reply-order.ts";

/** Calls that end, wait or throw when the test says so; `begun` are those that have begun, in order. */
function reply(...names: string[]) {
  const begun: string[] = [];
  const order = new ReplyOrder(names.length);
  const calls = names.map((name) => {
    const end = Promise.withResolvers<string>();
    let place: (() => void) | undefined;
    const call = (told: (() => void) | undefined) => {
      begun.push(name);
      place = told;
      return end.promise;
    };
    const signal = new AbortController();
    const done = order.carryOut(name, call, signal.signal);
    done.catch(() => undefined);
    return {
      done,
      isTold: () => place !== undefined,
      has: () => place!(),
      ends: () => end.resolve(name),
      throws: (error: Error) => end.reject(error),
      abort: (error: Error) => signal.abort(error),
    };
  });
  return { begun, calls };
}
const settled = () => new Promise((resolve) => setTimeout(resolve));

it("knows the tools of data, of which a hosted worker has several at once", () => {
  expect([...dataTools].sort()).toEqual(toolNames.filter(isCarriedOutLater).sort());
});

it("[O1] begins a call when those before it have had their effect, and operations on data side by side", async () => {
  const { begun, calls } = reply("create_task", "atomic", "shared_map", "inspect", "lock", "shared_list");
  await settled();
  expect(begun).toEqual(["create_task"]);
  calls[0]!.ends();
  await settled();
  expect(begun.slice(1)).toEqual(["atomic", "shared_map", "inspect"]);
  calls[3]!.ends();
  calls[1]!.ends();
  await settled();
  expect(begun).toHaveLength(4);
  calls[2]!.ends();
  await settled();
  expect(begun.slice(4)).toEqual(["lock"]);
  calls[4]!.ends();
  await settled();
  expect(begun.slice(5)).toEqual(["shared_list"]);
  calls[5]!.ends();
  expect(await Promise.all(calls.map(({ done }) => done))).toEqual(begun);
});

it("[O2] lets a call that waits keep nobody, once it has its place, and asks for none where nobody comes behind", async () => {
  const { begun, calls } = reply("await_tasks", "create_task", "await_tasks");
  await settled();
  expect(begun).toEqual(["await_tasks"]);
  calls[0]!.has();
  await settled();
  expect(begun).toEqual(["await_tasks", "create_task"]);
  calls[1]!.ends();
  await settled();
  expect(begun).toEqual(["await_tasks", "create_task", "await_tasks"]);
  expect(calls.map(({ isTold }) => isTold())).toEqual([true, true, false]);
});

it("[O3] throws what a call before threw, of data too, unless it had begun", async () => {
  const away = new Error("away");
  const { begun, calls } = reply("atomic", "shared_map", "create_task", "shared_list", "await_tasks");
  await settled();
  calls[0]!.throws(away);
  calls[1]!.ends();
  const ends = await Promise.allSettled(calls.map(({ done }) => done));
  expect(ends.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "rejected", "rejected", "rejected"]);
  expect(begun).toEqual(["atomic", "shared_map"]);
  await expect(calls[4]!.done).rejects.toBe(away);
});

it("ends at once with its own abort, also while it waits for its turn", async () => {
  const enough = new Error("enough");
  const { begun, calls } = reply("create_task", "await_tasks");
  calls[1]!.abort(enough);
  await expect(calls[1]!.done).rejects.toBe(enough);
  expect(begun).toEqual(["create_task"]);
});
