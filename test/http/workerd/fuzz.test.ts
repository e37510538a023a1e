/**
 * Every route of the table, with requests near to what it takes: whatever comes, the answer is one of its own, or a problem with a
 * known code, and never a 500.
 */

import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { problems } from "../../../src/errors/codes.ts";
import { createApp } from "../../../src/http/app.ts";
import { routes } from "../../../src/http/routes.ts";
import { bodies, queries, schemaOf, segments } from "../lib/neighbours.ts";
import { bindings, newKey, newTenant, send } from "./lib.ts";

const app = createApp();
const seed = 1;
const runsPerRoute = 12;
/** They answer with what is configured here, which is nothing. */
const configured = new Set(["not_configured", "not_ready", "not_available"]);

let key: string;
let known: Record<string, string[]>;

beforeAll(async () => {
  const tenant = await newTenant("fuzzed");
  ({ key } = await newKey(tenant, { scopes: ["runs", "workers", "tenant_admin"] }));
  const create = async () => (await send("POST", "/v1/runs", { json: { limits: { pools: ["box"] } }, key })).body.id;
  const [live, ended] = [await create(), await create()];
  await send("POST", `/v1/runs/${ended}/finish`, { json: {}, key });
  await send("POST", `/v1/runs/${live}/tasks`, {
    json: { tasks: [{ key: "a", pool: "box", instructions: "x" }] },
    key,
  });
  const { body } = await send("POST", "/v1/pools/box/leases", { json: { worker: "w" }, key });
  const asks = { op: "await", name: "plan", ask: "Which one?" };
  await send("POST", `/v1/leases/${body.leases[0]?.id}/tools/future`, {
    json: { arguments: asks, call_id: "c1", wait_ms: 0 },
    key,
  });
  const { questions } = (await send("GET", `/v1/runs/${live}/questions`, { key })).body;
  known = {
    run: [live, ended],
    question: [questions[0].id],
    task: ["a"],
    tenant: [tenant],
    pool: ["box"],
    lease: [body.leases[0]?.id ?? "none"],
    tool: ["lock", "atomic", "create_task", "shared_map", "inspect"],
    name: ["x"],
    code: Object.keys(problems).slice(0, 2),
  };
});

/** The path with every parameter filled in: what is there, or anything. */
const paths = (path: string): fc.Arbitrary<string> =>
  fc
    .tuple(...path.split("/").map((part) => (part.startsWith(":") ? valuesOf(part.slice(1)) : fc.constant(part))))
    .map((parts) => parts.join("/"));

const valuesOf = (name: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.nat(9).map((n) => (known[name] ?? ["x"])[n % (known[name]?.length ?? 1)]!) },
    segments.map((text) => encodeURIComponent(text.toWellFormed())),
  );

async function ask(method: string, path: string, init: { body?: string; headers: Record<string, string> }) {
  const left: Promise<unknown>[] = [];
  const context = { waitUntil: (work: Promise<unknown>) => void left.push(work), passThroughOnException: () => {} };
  const url = `http://heddle.test${path}`;
  const answer = await app.request(url, { method, ...init }, bindings, context as unknown as ExecutionContext);
  // A stream of events goes on for ever.
  const isStream = answer.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  const text = isStream ? "" : await answer.text();
  if (isStream) await answer.body?.cancel();
  await Promise.allSettled(left);
  return { answer, text };
}

/** Long polls answer after as long as they are asked to wait: what is tested here is how they are asked. */
const patient = (body: unknown): unknown => {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body;
  const short = Object.entries(body).map(([name, value]) => [
    name,
    (name === "wait_ms" || name === "timeout_ms") && typeof value === "number" && value > 20 ? 20 : value,
  ]);
  return Object.fromEntries(short);
};

const tested = routes.filter(({ path }) => path !== "/mcp");

describe("a request that may be wrong", () => {
  it.each(tested.map((route) => [route.method, route.path, route] as const))("%s %s", async (method, path, route) => {
    const hasBody = method === "POST" || method === "PUT";
    const request = fc.record({
      path: paths(path),
      query: queries(route.query && schemaOf(route.query)),
      body: hasBody && route.body ? bodies(schemaOf(route.body)).map(patient) : fc.constant(hasBody ? {} : undefined),
      auth: fc.constantFrom("key", "key", "key", "operator", "wrong", "none"),
      idem: fc.option(fc.constantFrom("k", "", "x".repeat(300)), { nil: undefined, freq: 8 }),
      broken: fc.boolean().map((is) => is && hasBody),
    });
    const property = fc.asyncProperty(request, async ({ path: at, query, body, auth, idem, broken }) => {
      const keys: Record<string, string> = { key, operator: "operators-own-secret", wrong: "hdl_wrong" };
      const as = route.access.kind === "operator" && auth === "key" ? "operator" : auth;
      const json = body === undefined ? undefined : JSON.stringify(body);
      const { answer, text } = await ask(method, `${at}${query}`, {
        ...(json !== undefined && { body: broken && json.length % 7 === 0 ? json.slice(0, -1) : json }),
        headers: {
          ...(as !== "none" && { authorization: `Bearer ${keys[as]}` }),
          ...(json !== undefined && { "content-type": "application/json" }),
          ...(idem !== undefined && { "idempotency-key": idem }),
        },
      });
      const { status } = answer;
      if (status < 400) return;
      expect(answer.headers.get("content-type"), text).toContain("application/problem+json");
      const problem = JSON.parse(text) as { code: string; status: number };
      expect(Object.keys(problems)).toContain(problem.code);
      expect(problem.status).toBe(status);
      if (status >= 500) expect([...configured], text).toContain(problem.code);
    });
    await fc.assert(property, { seed, numRuns: runsPerRoute, endOnFailure: true });
  });
});
