/**
 * Every route of the table, with requests that are almost right, on real objects: an answer comes, a refusal is a problem of the table,
 * and none is a bug of ours.
 */

import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import * as z from "zod";
import { jsonSchemaOf } from "../../../src/contract/json-schema.ts";
import { mcpTools } from "../../../src/contract/mcp-tools.ts";
import { problems } from "../../../src/errors/codes.ts";
import { createApp } from "../../../src/http/app.ts";
import type { HttpEnv } from "../../../src/http/env.ts";
import type { Route } from "../../../src/http/route.ts";
import { routes } from "../../../src/http/routes.ts";
import { answerMcp } from "../../../src/mcp/door.ts";
import { nearSchema, oddText } from "../near-schema.ts";

const bindings = {
  ...(env as object),
  HEDDLE_CREDENTIALS_KEY: "another secret of 32 characters!",
} as unknown as HttpEnv;
const key = "hdl_fuzz";
const operator = "operate";
const app = createApp({
  localKeys: {
    keys: [{ key, tenant: "ten_fuzz", scopes: ["runs", "workers", "tenant_admin"] }],
    operatorSecret: operator,
  },
  mcp: answerMcp,
});

async function call(method: string, path: string, init: { body?: BodyInit; headers?: Record<string, string> } = {}) {
  const left: Promise<unknown>[] = [];
  const context = {
    waitUntil: (work: Promise<unknown>) => void left.push(work),
    passThroughOnException() {},
    props: {},
  };
  const response = await app.request(
    `http://heddle.test${path}`,
    { method, ...init },
    bindings,
    context as unknown as ExecutionContext,
  );
  const text = await response.text();
  await Promise.all(left);
  return { status: response.status, type: response.headers.get("content-type") ?? "", text };
}

/** Routes that have not refused everything. */
const carriedOut = new Set<Route>();

const json = { "content-type": "application/json" };
const made = async (path: string, body: object, bearer = key) =>
  JSON.parse(
    (await call("POST", path, { body: JSON.stringify(body), headers: { ...json, authorization: `Bearer ${bearer}` } }))
      .text,
  );

/** By hand more, with other seeds. */
const requestsPerRoute = 30;
const seed = 1;

/** What there is, by the name that paths have for it. */
let real: Record<string, string>;
/** The run that is paused, cancelled and finished. */
let doomed: string;
async function newLease(): Promise<string> {
  await made(`/v1/runs/${real.run}/tasks`, { tasks: [{ instructions: "x", pool: "box" }] });
  return (await made("/v1/pools/box/leases", { worker: "w" })).leases[0]?.id ?? "lse_none";
}

beforeAll(async () => {
  const run = await made("/v1/runs", { limits: { pools: ["box"] } });
  const { tasks } = await made(`/v1/runs/${run.id}/tasks`, {
    tasks: ["a", "b"].map((name) => ({ key: name, instructions: name, pool: "box" })),
  });
  const { leases } = await made("/v1/pools/box/leases", { worker: "w" });
  const actor = await made(`/v1/runs/${run.id}/actors`, { ttl_ms: 60_000 });
  await made(`/v1/runs/${run.id}/tools/atomic`, { arguments: { op: "add", name: "n", delta: 1 } });
  doomed = (await made("/v1/runs", {})).id;
  const tenant = await made("/admin/tenants", { name: "fuzzed" }, operator);
  const made2 = await made(`/admin/tenants/${tenant.id}/keys`, {}, operator);
  real = {
    ...{ run: run.id, task: tasks[1].id, lease: leases[0].id, actor: actor.id, hash: run.snapshot, name: "n" },
    ...{ tenant: tenant.id, key: made2.id, pool: "box", tool: "atomic", code: "internal" },
  };
});
afterEach(() => vi.restoreAllMocks());

/** Calls that wait do so for no longer than a moment. */
const hurried = (text: string): string =>
  text.replace(/"(wait_ms|timeout_ms)":[^,}\]]*/g, (_, name: string) => `"${name}":1`);

const none = z.strictObject({});
const methods = [
  ...(["initialize", "ping", "tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list"] as const),
  ...(["resources/read", "tasks/get", "tasks/cancel", "tasks/update", "notifications/cancelled"] as const),
];
const messages = z.strictObject({
  jsonrpc: z.literal("2.0"),
  id: z.int(),
  method: z.literal(methods),
  params: z.strictObject({
    name: z.literal(mcpTools("key").map(({ name }) => name)).optional(),
    arguments: z.strictObject({ run: z.string(), op: z.enum(["acquire", "get", "push", "pop"]), name: z.string() }),
    ...{ uri: z.string().optional(), taskId: z.string().optional(), cursor: z.string().optional() },
  }),
});

const bearerOf = ({ access }: Route): string => (access.kind === "operator" ? operator : key);

const bodies = (route: Route): fc.Arbitrary<string | undefined> => {
  if (route.method === "GET" || route.method === "DELETE") return fc.constant(undefined);
  const near = nearSchema(jsonSchemaOf(route.path === "/mcp" ? messages : (route.body ?? none), "input") as object);
  return fc.oneof(
    {
      weight: 20,
      arbitrary: near.map((value) => {
        const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
        const waits = route.path.endsWith("/wait") && isObject ? { ...value, timeout_ms: 1 } : value;
        return hurried(JSON.stringify(waits) ?? "");
      }),
    },
    { weight: 1, arbitrary: oddText },
    { weight: 1, arbitrary: fc.constantFrom("{", '{"a":1e999}', `${"[".repeat(5000)}`, '{"__proto__":{"a":1}}') },
  );
};

test.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))("%s", async (_, route) => {
  const bugs = vi.spyOn(console, "error").mockImplementation(() => {});
  const names = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name!);
  const query = nearSchema(jsonSchemaOf(route.query ?? none, "input") as object);
  const request = fc.record({
    params: fc.tuple(
      ...names.map(() =>
        // What is there is deleted by nobody.
        fc.oneof(
          { weight: route.method === "DELETE" ? 0 : 6, arbitrary: fc.constant(undefined) },
          { weight: 1, arbitrary: oddText },
        ),
      ),
    ),
    query,
    body: bodies(route),
    idem: fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: oddText }),
  });
  await fc.assert(
    fc.asyncProperty(request, async ({ params, query: asked, body, idem }) => {
      let at = 0;
      if (/(complete|fail)$/.test(route.path)) real.lease = await newLease();
      const path = route.path.replace(/:(\w+)/g, (_all, name: string) => {
        const ours = name === "run" && /(pause|cancel|finish|\/rules)$/.test(route.path) ? doomed : real[name];
        const text = params[at++] ?? ours ?? "a";
        return encodeURIComponent(text.isWellFormed() && text !== "" ? text : "_");
      });
      const fields = typeof asked === "object" && asked !== null ? Object.entries(asked) : [];
      const search = new URLSearchParams(
        fields
          .filter(([, value]) => value !== undefined)
          .map(([name, value]) => [name, name === "wait_ms" ? "1" : String(value)]),
      );
      if (route.path === "/mcp") search.set("wait_ms", "0");
      const headers = new Headers({
        "content-type": route.lines ? "application/x-ndjson" : "application/json",
        authorization: `Bearer ${bearerOf(route)}`,
        accept: route.path === "/mcp" ? "application/json, text/event-stream" : "application/json",
      });
      try {
        if (idem !== undefined) headers.set("idempotency-key", idem);
      } catch {
        // No header can carry it.
      }
      const answer = await call(route.method, `${path}?${search}`, {
        ...(body !== undefined && { body }),
        headers: Object.fromEntries(headers),
      });
      expect(bugs.mock.calls, answer.text.slice(0, 300)).toEqual([]);
      if (answer.status < 300) carriedOut.add(route);
      if (answer.status < 400 || (route.path === "/mcp" && answer.text.includes('"jsonrpc"'))) return;
      expect(answer.type, answer.text.slice(0, 300)).toBe("application/problem+json");
      const { code, status } = JSON.parse(answer.text) as { code: keyof typeof problems; status: number };
      expect([code, status]).toEqual([code, problems[code].status]);
      expect(code).not.toBe("internal");
    }),
    { numRuns: requestsPerRoute, seed, endOnFailure: true },
  );
});

test("requests get deep enough: most routes have carried some out", () => {
  expect(carriedOut.size).toBeGreaterThan(routes.length * 0.7);
});
