/** `heddle tool`: a call on the authority of the lease. */

import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { problem, TestServer } from "./lib/contract-server.ts";
import { heddle } from "./lib/heddle.ts";

vi.setConfig({ testTimeout: 30_000 });
const server = new TestServer(() => ({ status: 200, body: { result: null } }));
beforeAll(() => server.start());
afterAll(() => server.stop());

const tool = (...args: string[]) =>
  heddle(["tool", ...args], { env: { HEDDLE_URL: server.url, HEDDLE_LEASE: "lse_1" } });

it("prints the result, and sends arguments and no key", async () => {
  server.handler = ({ body }) => ({ status: 200, body: { result: { got: body.arguments } } });
  const { stdout, status } = await tool("create_task", '{"instructions": "x"}');
  expect(JSON.parse(stdout)).toEqual({ got: { instructions: "x" } });
  expect(status).toBe(0);
  const call = server.calls.at(-1)!;
  expect(call.path).toBe("/v1/leases/lse_1/tools/create_task");
  expect(call.headers.authorization).toBeUndefined();
});

it("names a call as it is told to, so that a later attempt makes the same call", async () => {
  server.handler = ({ body }) => ({ status: 200, body: { result: body.call_id } });
  expect((await tool("--call-id", "lines", "atomic", "{}")).stdout).toBe('"lines"\n');
  expect((await tool("atomic", "{}")).stdout).not.toBe((await tool("atomic", "{}")).stdout);
});

it("takes a blocking call up again under its id until it is over", async () => {
  let polls = 0;
  server.handler = ({ body }) => ({
    status: 200,
    body: ++polls < 3 ? { pending: true, call_id: body.call_id } : { result: { tasks: [] } },
  });
  const { stdout, status } = await tool("await_tasks", '{"tasks": ["a"]}');
  expect({ status, stdout }).toEqual({ status: 0, stdout: '{"tasks":[]}\n' });
  const calls = server.calls.slice(-3);
  expect(new Set(calls.map(({ body }) => body.call_id)).size, "one waiter").toBe(1);
  expect(new Set(calls.map(({ headers }) => headers["idempotency-key"])).size, "three requests").toBe(3);
});

it("has status 1 for an error that the tool answered", async () => {
  server.handler = () => ({ status: 200, body: { error: { code: "unknown_task", message: "m", hint: "h" } } });
  const { stdout, status } = await tool("inspect", '{"task": "a"}');
  expect(JSON.parse(stdout)).toEqual({ error: { code: "unknown_task", message: "m", hint: "h" } });
  expect(status).toBe(1);
});

it("has status 4 for a lost lease", async () => {
  server.handler = () => problem(409, "lease_lost");
  const { stderr, status } = await tool("inspect");
  expect(stderr).toMatch(/lease_lost/);
  expect(status).toBe(4);
});

it("says where its argument is no JSON", async () => {
  const { stderr, status } = await tool("inspect", "{task: 1}");
  expect(stderr).toMatch(/The second argument is not JSON: unexpected "t" at line 1, column 2/);
  expect(status).toBe(2);
});

it("says which tools there are where it is asked for one that there is not", async () => {
  server.handler = () => problem(404, "not_found");
  const { stderr, status } = await tool("creat_task");
  expect(stderr).toMatch(/There is no tool "creat_task". A task has create_task, await_tasks/);
  expect(status).toBe(2);
});
