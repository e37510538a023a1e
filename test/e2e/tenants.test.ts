/** Two tenants on one server: whose key is sent where, and what one can do with what it learnt of the other. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Heddle } from "../../src/client/index.ts";
import { Endpoint } from "./lib/endpoint.ts";
import { wire } from "./lib/faulty-provider.ts";
import { sharedServer } from "./lib/shared.ts";

const server = sharedServer();
const operator = "hdl_local_admin";

interface Tenant {
  id: string;
  key: string;
  heddle: Heddle;
  call: typeof server.call;
}

async function newTenant(name: string): Promise<Tenant> {
  const { id } = (await server.call("POST", "/admin/tenants", { name }, operator)).json;
  const body = { scopes: ["runs", "workers", "tenant_admin"] };
  const { key } = (await server.call("POST", `/admin/tenants/${id}/keys`, body, operator)).json;
  const heddle = new Heddle({ url: server.url, key });
  return { id, key, heddle, call: (method, path, json, by = key) => server.call(method, path, json, by) };
}

let a: Tenant;
let b: Tenant;
let provider: Endpoint;
beforeAll(async () => {
  [a, b] = (await Promise.all(["a", "b"].map(newTenant))) as [Tenant, Tenant];
  provider = await Endpoint.start(() => ({
    status: 200,
    headers: { "content-type": "text/event-stream" },
    body: wire.anthropic.text("well"),
  }));
});
afterAll(() => provider[Symbol.asyncDispose]());

const put = (tenant: Tenant, name: string, body: object = {}) =>
  tenant.call("PUT", `/v1/providers/${name}`, {
    ...{ format: "anthropic", key: `sk-${tenant.id}-${name}`, base_url: provider.url },
    ...body,
  });

/** How a task of a new run ends. */
async function ran({ heddle }: Tenant, spec: object = {}) {
  const run = await heddle.createRun({ ...spec });
  await heddle.createTasks(run.id, { tasks: [{ key: "one", instructions: "Do it." }] });
  await heddle.wait(run.id, { tasks: ["one"], mode: "settled" });
  return { run, task: await heddle.task(run.id, "one") };
}

/** The keys that the provider was sent since the last time. */
const keysSent = () => provider.received.splice(0).map(({ headers }) => headers.authorization?.replace("Bearer ", ""));

describe("a tenant's own credential", () => {
  it("is what its runs use: the named one, or its default; nobody else's", async () => {
    for (const [tenant, name] of [
      [a, "main"],
      [a, "spare"],
      [b, "main"],
    ] as const) {
      expect((await put(tenant, name)).status).toBe(200);
    }
    const { run, task } = await ran(a);
    expect([run.credential, task.state, task.result]).toEqual(["main", "succeeded", "well"]);
    expect(keysSent()).toEqual([`sk-${a.id}-main`]);
    await ran(a, { credential: "spare" });
    await ran(b);
    expect(keysSent()).toEqual([`sk-${a.id}-spare`, `sk-${b.id}-main`]);
    // The deployment's own, which is the simulated model here.
    const own = await ran(a, { credential: null });
    expect([own.run.credential, own.task.state, keysSent()]).toEqual([null, "succeeded", []]);

    for (const credential of ["nobody", "main"]) {
      const spec = { credential, ...(credential === "main" && { context: { format: "openai" } }) };
      const refused = await a.call("POST", "/v1/runs", spec);
      expect([refused.status, refused.json.errors[0].path]).toEqual([422, "credential"]);
    }
  });

  it("that is gone fails its tasks with what to do, and they go on when it is back", async () => {
    await put(a, "brief");
    const run = await a.heddle.createRun({ credential: "brief" });
    await a.call("DELETE", "/v1/providers/brief");
    await a.heddle.createTasks(run.id, { tasks: [{ key: "one", instructions: "Do it." }] });
    await a.heddle.wait(run.id, { tasks: ["one"], mode: "settled" });
    const { error } = await a.heddle.task(run.id, "one");
    expect(error).toMatchObject({ code: "provider_auth", message: expect.stringContaining("PUT /v1/providers/brief") });
    await put(a, "brief");
    await a.heddle.retryTask(run.id, "one");
    await a.heddle.wait(run.id, { tasks: ["one"] });
    expect((await a.heddle.task(run.id, "one")).result).toBe("well");
    keysSent();
  });

  it("other than that of the run which a run begins with makes a relocated fork, and the reply says so", async () => {
    const thought = { type: "thinking", thinking: "hm", signature: "c2ln" };
    const messages = [
      { role: "user", content: "Hello" },
      { role: "assistant", content: [thought, { type: "text", text: "Hello" }] },
    ];
    const first = await a.heddle.createRun({ credential: "main", context: { messages } });
    const contents = async (run: { id: string; snapshot: string }) =>
      JSON.stringify((await a.heddle.snapshot(run.id, run.snapshot)).messages);
    const same = await a.heddle.createRun({ from: { run: first.id } });
    expect([same.credential, same.notes, same.snapshot]).toEqual(["main", undefined, first.snapshot]);
    const other = await a.heddle.createRun({ from: { run: first.id }, credential: "spare" });
    expect(other.notes?.[0]).toContain("another credential");
    expect([await contents(same), await contents(other)].map((text) => text.includes("thinking"))).toEqual([
      true,
      false,
    ]);
  });
});
