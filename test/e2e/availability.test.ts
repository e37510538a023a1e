/**
 * Runs of one tenant on a provider that takes seven calls at once and does not say so: each finds it by refusals, they share it, no task
 * fails of it, and another tenant hears nothing of it.
 */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Heddle } from "../../src/client/index.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import { projectRoot } from "./lib/server.ts";
import { sharedServer } from "./lib/shared.ts";

const server = sharedServer();
const operator = "hdl_local_admin";
/** The simulated provider counts its places by this number and the model's name, and runs share what a model takes that they name. */
const concurrent = 7;
const script = JSON.stringify({ latency_ms: 300, concurrent, turns: [{ text: "done" }] });

async function newTenant(name: string) {
  const { id } = (await server.call("POST", "/admin/tenants", { name }, operator)).json;
  const { key } = (await server.call("POST", `/admin/tenants/${id}/keys`, { scopes: ["runs"] }, operator)).json;
  return { key: key as string, heddle: new Heddle({ url: server.url, key }) };
}

async function busyRun(heddle: Heddle, count: number): Promise<string> {
  const { id } = await heddle.createRun({ limits: { workers: 24 } });
  await heddle.createTasks(id, {
    tasks: Array.from({ length: count }, () => ({
      model: "limited",
      instructions: `Answer.\n\`\`\`sim\n${script}\n\`\`\``,
    })),
  });
  return id;
}

it("runs share a hidden limit: the second begins with its part of it, nothing fails, and the last has all", async () => {
  const tenant = await newTenant("sharing");
  const { heddle } = tenant;
  const modelOf = async (run: string) => (await heddle.run(run)).availability.find(({ model }) => model !== null);
  const first = await busyRun(heddle, 120);
  await until("the first has found a limit", 30_000, async () => (await modelOf(first))?.limit);
  // It would else be a newcomer itself, told of its own burst.
  await until("it has settled", 30_000, async () => {
    const seen = await modelOf(first);
    return seen && seen.calls - seen.refused > 20 && seen;
  });
  const second = await busyRun(heddle, 120);
  const both = await until("both have a part of it", 30_000, async () => {
    const views = await Promise.all([modelOf(first), modelOf(second)]);
    return views.every((view) => view?.runs === 2 && view.limit && view.limit >= 2) && views;
  });
  for (const view of both) expect(view).toMatchObject({ why: "rate_limited" });
  // Another tenant's run meets the same provider, and has no part in what these have found.
  const { heddle: apart } = await newTenant("apart");
  const other = await busyRun(apart, 3);
  await until(
    "the other tenant's has been called",
    30_000,
    async () => (await apart.run(other)).availability.length > 0,
  );
  for (const view of (await apart.run(other)).availability) expect(view).toMatchObject({ runs: 1, limit: null });
  await apart.cancelRun(other);
  const shown = spawnSync(process.execPath, [join(projectRoot, "src/cli/main.ts"), "show", second], {
    env: { ...process.env, HEDDLE_URL: server.url, HEDDLE_API_KEY: tenant.key },
    encoding: "utf8",
  });
  expect(shown.stdout).toContain("shared by 2 runs");

  for (const run of [first, second]) expect((await heddle.waitFor(run)).counts).toMatchObject({ succeeded: 120 });
  // Alone the second would have tried all of its 24 at once.
  const refusals = eventsOf(await logOf(tenant, second), "attempt_ended");
  expect(refusals.length).toBeLessThan(20);
  for (const { error } of refusals) expect(error).toMatchObject({ code: "provider_rate_limited" });
});
