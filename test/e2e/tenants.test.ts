/** Two tenants on one server: whose key is sent where, and what one can do with what it learnt of the other. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
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

/** All files of a server's state. Objects go to sleep meanwhile, and some of their files go: then all of them are read again. */
function stored(state: string): string[] {
  for (let tries = 20; ; tries--) {
    try {
      return readdirSync(state, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || tries === 0) throw error;
    }
  }
}

let a: Tenant;
let b: Tenant;
let provider: Endpoint;
beforeAll(async () => {
  [a, b] = (await Promise.all(["a", "b"].map(newTenant))) as [Tenant, Tenant];
  provider = await Endpoint.start(({ text, headers }) => {
    // A provider that repeats what it was sent, and the key with it.
    const error = { type: "authentication_error", message: `bad key: ${headers.authorization}` };
    return text.includes("[[leak]]")
      ? { status: 401, headers: { "content-type": "application/json" }, body: JSON.stringify({ type: "error", error }) }
      : { status: 200, headers: { "content-type": "text/event-stream" }, body: wire.anthropic.text("well") };
  });
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

describe("another tenant", () => {
  /** All that there is to know of a run of a's. */
  async function known() {
    const run = await a.heddle.createRun({ name: "secret plans", credential: null, limits: { pools: ["shell"] } });
    const { tasks } = await a.heddle.createTasks(run.id, {
      tasks: [{ key: "held", instructions: "wait", pool: "shell" }],
    });
    const actor = await a.heddle.openActor(run.id, { ttl_ms: 60_000 });
    await a.heddle.callTool(run.id, "lock", { actor: actor.id, arguments: { op: "acquire", name: "l" } });
    return { run: run.id, snapshot: run.snapshot, task: tasks[0]!.id, actor: actor.id };
  }

  it("reaches nothing of a run by any path that there is", async () => {
    const ids = await known();
    const state = async () => {
      const { json } = await a.call("GET", `/v1/runs/${ids.run}`);
      return { ...json, variables: (await a.call("GET", `/v1/runs/${ids.run}/variables`)).json };
    };
    const before = await state();
    const question = ids.actor.replace("A", "Q");
    const more = { hash: ids.snapshot, name: "l", tool: "lock", message: "msg_1", question };
    const values: Record<string, string> = { ...ids, ...more };
    const { paths } = (await server.call("GET", "/openapi.json")).json as { paths: Record<string, object> };
    const ofRuns = Object.entries(paths).filter(([path]) => path.includes("{run}"));
    expect(ofRuns.length).toBeGreaterThan(20);
    for (const [path, methods] of ofRuns) {
      const filled = path.replace(
        /\{(\w+)\}/g,
        (_, name: string) => values[name] ?? expect.fail(`no value for ${name}`),
      );
      for (const method of Object.keys(methods).map((one) => one.toUpperCase())) {
        const { status, json } = await b.call(method, filled, method === "GET" || method === "DELETE" ? undefined : {});
        // A body that is wrong may be refused before the run is looked for.
        expect([method, path, status]).toEqual([
          method,
          path,
          method === "POST" || method === "PUT" ? expect.toBeOneOf([404, 415, 422]) : 404,
        ]);
        expect(JSON.stringify(json)).not.toContain("secret plans");
      }
    }
    const answer = { action: "answer", value: "yes" };
    expect((await b.call("POST", `/v1/runs/${ids.run}/questions/${question}/answer`, answer)).json.code).toBe(
      "not_found",
    );
    expect(await state()).toEqual(before);
  });

  it("can do nothing in runs of its own with ids, sessions, snapshots and event ids of others", async () => {
    const ids = await known();
    const own = await b.heddle.createRun({ credential: null });
    const at = `/v1/runs/${own.id}`;
    const lock = { arguments: { op: "acquire", name: "l" }, actor: ids.actor };
    const answers = [
      ["session", await b.call("POST", `${at}/tools/lock`, lock), "not_found"],
      ["snapshot", await b.call("GET", `${at}/snapshots/${"0".repeat(32)}`), "not_found"],
      ["task", await b.call("GET", `${at}/tasks/${ids.task}`), "not_found"],
      [
        "dependency",
        await b.call("POST", `${at}/tasks`, { tasks: [{ instructions: "x", after: [ids.task] }] }),
        "unknown_task",
      ],
      ["context", await b.call("POST", "/v1/runs", { from: { run: ids.run } }), "not_found"],
      ["live log", await b.call("GET", `/v1/runs/${ids.run}/events?after=0`), "not_found"],
    ] as const;
    for (const [what, { json }, code] of answers) expect([what, json.code]).toEqual([what, code]);

    const live = (run: string) =>
      fetch(`${server.url}/v1/runs/${run}/events`, {
        headers: { authorization: `Bearer ${b.key}`, accept: "text/event-stream", "last-event-id": "1" },
      });
    expect((await live(ids.run)).status).toBe(404);
    await b.heddle.finishRun(own.id);
    expect(await (await live(own.id)).text()).not.toContain("shell");

    expect((await b.call("POST", "/v1/pools/shell/leases", { worker: "w" })).json.leases).toEqual([]);
    const [lease] = (await a.call("POST", "/v1/pools/shell/leases", { worker: "w", wait_ms: 5000 })).json.leases;
    const [payload, signature] = (lease.id as string).slice(4).split(".") as [string, string];
    const claim = JSON.parse(Buffer.from(payload, "base64url").toString()) as unknown[];
    const moved = Buffer.from(JSON.stringify([b.id, ...claim.slice(1)])).toString("base64url");
    expect((await b.call("POST", `/v1/leases/lse_${moved}.${signature}/renew`)).json.code).toBe("lease_lost");
  });

  it("has lists and Idempotency-Keys of its own, whatever cursor or key it names", async () => {
    for (const tenant of [a, b]) for (let i = 0; i < 2; i++) await tenant.heddle.createRun({ credential: null });
    const first = (await a.call("GET", "/v1/runs?limit=1")).json;
    const rest = (await b.call("GET", `/v1/runs?limit=1000&cursor=${first.next_cursor}`)).json.runs as { id: string }[];
    const owns = new Set(
      ((await a.call("GET", "/v1/runs?limit=1000")).json.runs as { id: string }[]).map(({ id }) => id),
    );
    expect(rest.length).toBeGreaterThan(0);
    expect(rest.filter(({ id }) => owns.has(id))).toEqual([]);

    const create = async ({ key }: Tenant) => {
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", "idempotency-key": "same" };
      const body = JSON.stringify({ name: "idem", credential: null });
      return (await (await fetch(`${server.url}/v1/runs`, { method: "POST", headers, body })).json()) as { id: string };
    };
    const [one, two, again] = [await create(a), await create(b), await create(a)];
    expect(again.id).toBe(one.id);
    expect(two.id).not.toBe(one.id);
    expect((await b.call("GET", `/v1/runs/${one.id}`)).status).toBe(404);
  });

  it("uses none of another's credentials, and administers nobody but itself", async () => {
    await put(a, "only-of-a");
    expect((await b.call("POST", "/v1/runs", { credential: "only-of-a" })).json.errors[0].path).toBe("credential");
    expect((await b.call("DELETE", "/v1/providers/only-of-a")).status).toBe(404);
    expect((await a.call("GET", "/v1/providers/only-of-a")).status).toBe(200);
    for (const path of ["/admin/tenants", `/admin/tenants/${a.id}`, "/admin/audit", `/admin/tenants/${a.id}/providers`])
      expect((await b.call("GET", path)).json.code).toBe("unauthorized");
    const log = (await b.call("GET", "/v1/audit?limit=1000")).text;
    expect(log).not.toContain(a.id);
  });
});

describe("secrets", () => {
  it("are in no answer, log, event or table, not even when a provider repeats them", async () => {
    await put(a, "loud");
    const run = await a.heddle.createRun({ credential: "loud" });
    await a.heddle.createTasks(run.id, { tasks: [{ key: "one", instructions: "[[leak]]" }] });
    await a.heddle.wait(run.id, { tasks: ["one"], mode: "settled" });
    expect((await a.heddle.task(run.id, "one")).error).toMatchObject({ code: "provider_auth" });
    const answers = await Promise.all(
      ["", "/events", "/tasks", "/tasks/one/context", "/findings", "/trace?format=otlp", "/export"].map(async (path) =>
        (
          await fetch(`${server.url}/v1/runs/${run.id}${path}`, { headers: { authorization: `Bearer ${a.key}` } })
        ).text(),
      ),
    );
    const files = stored(server.state);
    expect(files.length).toBeGreaterThan(5);
    // What is looked for is there to be found: the name, and the id in whose name the keys are made up.
    expect(files.some((text) => text.includes("only-of-a"))).toBe(true);
    for (const secret of [`sk-${a.id}`, `sk-${b.id}`, a.key, b.key]) {
      for (const text of [...answers, ...files]) expect(text.includes(secret)).toBe(false);
    }
  });
});
