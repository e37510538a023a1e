/**
 * Tenants beside each other on a real server with few seats: one's many ready tasks keep nobody else from working, and who has used up
 * what he may is told which quota it was and when to come back, while his neighbour goes on.
 *
 * How long something took is counted in tasks of the other tenant that ended meanwhile, so that a slow machine changes nothing.
 */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Heddle, isProblem } from "../../src/client/index.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import { LocalServer, projectRoot } from "./lib/server.ts";
import { says } from "./lib/sim.ts";

const seats = 8;
const ready = 600;
const operator = "hdl_local_admin";
let server: LocalServer;
beforeAll(async () => {
  server = await LocalServer.start({ HEDDLE_SEATS: `${seats}` });
});
afterAll(() => server?.stop());

async function newTenant(name: string, quotas: object = {}) {
  const { id } = (await server.call("POST", "/admin/tenants", { name }, operator)).json;
  await server.call("PUT", `/admin/tenants/${id}/quotas`, quotas, operator);
  const { key } = (await server.call("POST", `/admin/tenants/${id}/keys`, { scopes: ["runs"] }, operator)).json;
  return { id, key: key as string, heddle: new Heddle({ url: server.url, key }) };
}

/** A run with so many ready tasks of half a second. */
async function busyRun({ heddle }: { heddle: Heddle }, count: number): Promise<string> {
  const { id } = await heddle.createRun({ limits: { workers: 64 } });
  await heddle.createTasks(id, {
    tasks: Array.from({ length: count }, () => ({ instructions: says("done", { latency_ms: 500 }) })),
  });
  return id;
}

describe("seats", () => {
  it("a single task starts within a few task lengths, whoever has hundreds ready; and two who want all have half each", async () => {
    const [large, small] = [await newTenant("large"), await newTenant("small")];
    const crowd = await busyRun(large, ready);
    const bound = async ({ heddle }: { heddle: Heddle }, run: string) =>
      (await heddle.run(run)).seats.bound_by === "deployment";
    await until("the crowd is bound by the deployment's seats", 30_000, () => bound(large, crowd));
    const { id: quiet } = await small.heddle.createRun({});
    // Longer than a new run goes on before its gate has told it anything.
    const singles = Array.from({ length: 12 }, (_, i) => `single-${i}`);
    for (const key of singles) {
      await small.heddle.createTasks(quiet, { tasks: [{ key, instructions: says("here", { latency_ms: 500 }) }] });
      await small.heddle.wait(quiet, { tasks: [key], mode: "settled" });
    }
    expect((await large.heddle.run(crowd)).counts.ready).toBeGreaterThan(100);
    const ended = eventsOf(await logOf(large, crowd), "task_ended");
    for (const key of singles) {
      const { timings } = await small.heddle.task(quiet, key);
      const meanwhile = ended.filter(({ at }) => at > timings.ready_at! && at <= timings.started_at!).length;
      // All seats at work end as many tasks in a task's length.
      expect(meanwhile, `${key} waited`).toBeLessThanOrEqual(3 * seats);
    }

    const other = await busyRun(small, ready);
    const halves = await until("each has his half", 60_000, async () => {
      const views = await Promise.all([large.heddle.run(crowd), small.heddle.run(other)]);
      const most = views.map((view) => view.seats.most);
      const open = views.map((view) => view.seats.open);
      const isShared = views.every((view) => view.seats.bound_by === "deployment" && view.counts.ready > 0);
      return isShared && most.every((one) => one >= 1) && open[0]! + open[1]! <= seats && { most, open };
    });
    expect(halves.most[0]! + halves.most[1]!).toBeLessThanOrEqual(seats);
    await Promise.all([large.heddle.cancelRun(crowd), small.heddle.cancelRun(other)]);
  }, 180_000);

  it("a tenant's quota of seats holds over all of its runs together", async () => {
    const tenant = await newTenant("two at a time", { total_seats: 2 });
    const runs = await Promise.all([busyRun(tenant, ready), busyRun(tenant, ready)]);
    await until("both share two seats", 60_000, async () => {
      const views = await Promise.all(runs.map((run) => tenant.heddle.run(run)));
      return (
        views.every((view) => view.seats.bound_by === "tenant" && view.counts.ready > 0) &&
        views.reduce((sum, view) => sum + view.seats.open, 0) <= 2
      );
    });
    await Promise.all(runs.map((run) => tenant.heddle.cancelRun(run)));
  }, 120_000);
});

describe("a quota that is used up", () => {
  it("of runs is refused with its name and when to come back; another tenant's runs are made", async () => {
    const [tenant, neighbour] = [await newTenant("one run", { runs: 1 }), await newTenant("neighbour")];
    const { id } = await tenant.heddle.createRun({});
    const refused = await server.call("POST", "/v1/runs", {}, tenant.key);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "60"]);
    expect(refused.json).toMatchObject({
      code: "quota_exceeded",
      detail: "runs: 1 may live at once, and as many do",
      retryable: true,
    });
    // Sixty seconds are beyond the client's patience: it says so now, and not then.
    const error = await tenant.heddle.createRun({}, { retryMs: 5000 }).catch((thrown: unknown) => thrown);
    expect(isProblem(error, "quota_exceeded") && error.hint).toContain("`detail` names the quota");
    const env = { ...process.env, HEDDLE_URL: server.url, HEDDLE_API_KEY: tenant.key };
    const command = [join(projectRoot, "dist/cli/main.js"), "quotas"];
    expect(spawnSync(process.execPath, command, { env, encoding: "utf8" }).stdout).toMatch(
      /^runs +1 +1 +when a run ends$/m,
    );
    await neighbour.heddle.createRun({});
    await tenant.heddle.finishRun(id);
    await until("its place is free", 30_000, () =>
      tenant.heddle.createRun({}, { retryMs: 0 }).catch(() => false as const),
    );
  });

  it("of tokens pauses the run until midnight, and says so; another tenant's run goes on", async () => {
    const [tenant, neighbour] = [await newTenant("few", { tokens_per_day: 5000 }), await newTenant("many")];
    const run = async ({ heddle }: { heddle: Heddle }) => {
      const { id } = await heddle.createRun({ limits: { workers: 1 } });
      const spends = says("done", { latency_ms: 200, usage: { input: 3000, output: 0 } });
      await heddle.createTasks(id, { tasks: Array.from({ length: 20 }, () => ({ instructions: spends })) });
      return id;
    };
    const [few, many] = [await run(tenant), await run(neighbour)];
    const paused = await until("it is paused", 60_000, async () => {
      const view = await tenant.heddle.run(few);
      return view.status === "paused" && view;
    });
    const midnight = new Date(paused.created_at).setUTCHours(24, 0, 0, 0);
    expect(paused).toMatchObject({ reason: "quota", quota: { name: "tokens_per_day", limit: 5000, until: midnight } });
    const resume = await server.call("POST", `/v1/runs/${few}/resume`, {}, tenant.key);
    expect(resume).toMatchObject({ status: 429, json: { code: "quota_exceeded" } });
    expect(Number(resume.headers.get("retry-after"))).toBeGreaterThan(0);
    await neighbour.heddle.waitFor(many);
    expect((await neighbour.heddle.run(many)).counts.succeeded).toBe(20);
  });
});
