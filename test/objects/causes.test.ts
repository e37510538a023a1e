/** Chains of causes as the API and an agent's await_tasks show them. */

import { expect, it } from "vitest";
import { makeRun, value } from "./lib/runs.ts";

const boxed = (key: string, more: object = {}) => ({ key, pool: "box", instructions: key, ...more });

it("[E5] a skipped task says because of whom, down to the first failure, and goes on saying it after eviction", async () => {
  const run = await makeRun();
  await run.create(boxed("a"), boxed("b", { after: ["a"] }), boxed("c", { after: ["b"] }));
  const lease = (await run.lease())!;
  const error = { code: "no_disk", message: "The disk is gone." };
  value(await run.rpc.fail(lease, { error, retryable: false }));
  const [a, b, c] = [await run.task("a"), await run.task("b"), await run.task("c")];
  expect(a.error).toEqual(error);
  expect(b.error).toMatchObject({
    code: "dependency_failed",
    because: { task: a.id, key: "a", state: "failed", code: "no_disk" },
    cause: { task: a.id, error },
  });
  expect(c.error).toMatchObject({
    because: { task: b.id, key: "b", state: "skipped", code: "dependency_failed" },
    cause: { task: b.id, error: b.error! },
  });
  await run.evict();
  expect((await run.task("c")).error).toEqual(c.error);
});

it("[E6] a long chain is cut, and its end still names what it follows from", async () => {
  const run = await makeRun();
  const keys = Array.from({ length: 12 }, (_, i) => `k${i}`);
  await run.create(...keys.map((key, i) => boxed(key, i > 0 ? { after: [keys[i - 1]!] } : {})));
  value(await run.rpc.cancelTask((await run.task("k0")).id, undefined));
  const named: (string | undefined)[] = [];
  for (let at = (await run.task("k11")).error; at; at = at.cause?.error ?? null) named.push(at.because?.key);
  expect(named).toEqual(["k10", "k9", "k8", "k7", "k6", "k5", "k4", "k3", "k2"]);
});
