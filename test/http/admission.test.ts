/** The door's admission: its classes, and what a refusal costs: no key is looked up, no body read, no object asked. */

import { expect, test } from "vitest";
import { Ledger, Place, shares } from "../../src/admission.ts";
import { classes, entryOf } from "../../src/http/admission.ts";
import { createApp } from "../../src/http/app.ts";
import type { HttpEnv } from "../../src/http/env.ts";
import { signLease } from "../../src/http/lease-token.ts";
import { held } from "../../src/http/live-events.ts";
import { routes } from "../../src/http/routes.ts";
import { admissionMs, bodyBytesMax, retryAfterSpreadS, runWorkMax, tenantWorkMax } from "../../src/limits.ts";

const secret = "a secret of thirty-two characters";
const run = "run_0123456789abcdefghjk";
const other = "run_1123456789abcdefghjk";

/** An app whose runs answer only when they are told to. */
function slowRuns() {
  const asked: string[] = [];
  let answer: (reply: object) => void = () => {};
  const answered = new Promise<object>((resolve) => {
    answer = resolve;
  });
  const methods = {
    get: (_: object, method: string) => {
      if (method === "then") return undefined;
      asked.push(method);
      return () => answered;
    },
  };
  const object = new Proxy({}, methods);
  const env = { HEDDLE_SECRET: secret, RUNS: { getByName: () => object } } as unknown as HttpEnv;
  const app = createApp({
    localKeys: {
      keys: [
        { key: "hdl_k", tenant: "t", scopes: ["runs"] },
        { key: "hdl_u", tenant: "u", scopes: ["runs"] },
      ],
      operatorSecret: "operate",
    },
  });
  const send = async (
    method: string,
    path: string,
    more: { json?: unknown; key?: string; signal?: AbortSignal } = {},
  ) =>
    app.request(
      `http://heddle.test${path}`,
      {
        method,
        headers: { authorization: `Bearer ${more.key ?? "hdl_k"}`, "content-type": "application/json" },
        ...(more.json !== undefined && { body: JSON.stringify(more.json) }),
        ...(more.signal && { signal: more.signal }),
      },
      env,
    );
  return { asked, answer, send };
}

const task = { tasks: [{ instructions: "x" }] };
const creations = runWorkMax * shares.create.work;

test("every request that is named as of another class exists", () => {
  const known = routes.map(({ method, path }) => `${method} ${path}`);
  for (const name of Object.keys(classes)) expect(known).toContain(name);
});

test.each([
  ["POST /v1/runs", {}, { priority: "create", waits: false, bytes: 0 }],
  ["POST /v1/runs", { "content-length": "16384" }, { priority: "create", waits: false, bytes: 0 }],
  ["POST /v1/runs", { "content-length": "16385" }, { priority: "create", waits: false, bytes: 16_385 }],
  ["POST /v1/runs", { "transfer-encoding": "chunked" }, { priority: "create", waits: false, bytes: bodyBytesMax }],
  ["POST /v1/runs", { "content-length": "x" }, { priority: "create", waits: false, bytes: 0 }],
  ["GET /v1/runs/:run", {}, { priority: "read", waits: false, bytes: 0 }],
  ["DELETE /v1/runs/:run", {}, { priority: "steer", waits: false, bytes: 0 }],
  ["POST /v1/runs/:run/cancel", {}, { priority: "steer", waits: false, bytes: 0 }],
  ["POST /v1/runs/:run/wait", {}, { priority: "poll", waits: true, bytes: 0 }],
  ["GET /v1/runs/:run/events", { accept: "text/event-stream" }, { priority: "poll", waits: true }],
  ["POST /v1/pools/:pool/leases", {}, { priority: "take", waits: true, bytes: 0 }],
  ["POST /v1/leases/:lease/complete", {}, { priority: "report", waits: false, bytes: 0 }],
])("%s with %j is %j", (name, headers, entry) => {
  const route = routes.find(({ method, path }) => `${method} ${path}` === name)!;
  expect(entryOf(route, new Headers(headers))).toEqual(entry);
});

test("a run that is full refuses new work at once, before it looks at a body, and goes on when there is room", async () => {
  const { asked, answer, send } = slowRuns();
  const underWay = Array.from({ length: creations }, () => send("POST", `/v1/runs/${run}/tasks`, { json: task }));
  const refusal = await send("POST", `/v1/runs/${run}/tasks`, { json: "not even valid" });
  expect([refusal.status, ((await refusal.json()) as { code: string }).code]).toEqual([503, "overloaded"]);
  const wait = Number(refusal.headers.get("retry-after"));
  expect(wait).toBeGreaterThanOrEqual(1);
  expect(wait).toBeLessThanOrEqual(1 + retryAfterSpreadS);
  expect((await send("POST", `/v1/runs/${run}/wait`, { json: {} })).status).toBe(503);

  // What ends work, what only looks, whoever steers, and another run still come in.
  const token = await signLease(secret, { tenant: "t", run, taskNumber: 1, fence: 1 });
  const letIn = [
    send("POST", `/v1/leases/${token}/complete`, { json: { result: 1 } }),
    send("GET", `/v1/runs/${run}`),
    send("POST", `/v1/runs/${run}/cancel`),
    send("POST", `/v1/runs/${other}/tasks`, { json: task }),
  ];
  answer({ ok: true, value: {} });
  for (const one of letIn) expect((await one).status).toBeLessThan(300);
  for (const one of underWay) expect((await one).status).toBe(201);
  expect(asked).toHaveLength(creations + letIn.length);
  expect((await send("POST", `/v1/runs/${run}/tasks`, { json: task })).status).toBe(201);
});

test("a run is full for the key that fills it, and its tenant's own still gets in", async () => {
  const { answer, send } = slowRuns();
  const underWay = Array.from({ length: creations }, () =>
    send("POST", `/v1/runs/${run}/tasks`, { json: task, key: "hdl_u" }),
  );
  expect((await send("POST", `/v1/runs/${run}/tasks`, { json: task, key: "hdl_u" })).status).toBe(503);
  const own = send("POST", `/v1/runs/${run}/tasks`, { json: task });
  answer({ ok: true, value: {} });
  for (const one of [own, ...underWay]) expect((await one).status).toBe(201);
});

test("a client that hangs up gives its place up, though nothing ever answers", async () => {
  const { send } = slowRuns();
  const gone = new AbortController();
  for (let i = 0; i < creations; i++)
    void send("POST", `/v1/runs/${run}/tasks`, { json: task, signal: gone.signal }).catch(() => undefined);
  expect((await send("POST", `/v1/runs/${run}/tasks`, { json: task })).status).toBe(503);
  gone.abort();
  const pending = Symbol("pending");
  const next = send("POST", `/v1/runs/${run}/tasks`, { json: task });
  expect(await Promise.race([next, new Promise((resolve) => setImmediate(resolve, pending))])).toBe(pending);
});

test("a tenant that takes its part of an isolate is told so, and another gets in", async () => {
  const { answer, send } = slowRuns();
  const underWay = Array.from({ length: tenantWorkMax * shares.create.work }, (_, i) =>
    send("POST", `/v1/runs/${i % 2 === 0 ? run : other}/tasks`, { json: task }),
  );
  const third = "run_2123456789abcdefghjk";
  // Keys are looked up after the room of the isolate and of the run, so this one has come after those.
  const refusal = await send("POST", `/v1/runs/${third}/tasks`, { json: task });
  expect([refusal.status, ((await refusal.json()) as { code: string }).code]).toEqual([429, "too_many_requests"]);
  expect(refusal.headers.get("retry-after")).not.toBeNull();
  const another = send("POST", `/v1/runs/${third}/tasks`, { json: task, key: "hdl_u" });
  answer({ ok: true, value: {} });
  for (const one of [another, ...underWay]) expect((await one).status).toBe(201);
});

test("a stream holds its place while it is read, and gives it up when it ends or its reader leaves", async () => {
  const ledger = new Ledger({ work: 1, wait: 2 });
  const frames = async function* () {
    yield "one";
    yield "two";
  };
  const stream = () => {
    const place = new Place({ priority: "report", waits: true }, Date.now() - admissionMs);
    expect(place.enter(ledger, 0)).toBeUndefined();
    return { place, frames: held(frames(), place) };
  };
  const read = stream();
  expect(read.place.isOver(Date.now())).toBe(true);
  await read.frames.next();
  expect(read.place.isOver(Date.now())).toBe(false);
  const left = stream();
  await left.frames.next();
  expect(ledger.taken.wait).toBe(2);
  await left.frames.return();
  expect(ledger.taken.wait).toBe(1);
  for await (const _ of read.frames);
  expect(ledger.isEmpty).toBe(true);
});
