/** A push of meter events is killed in its middle: the provider counts each event once, and what it counts is what was used. */

import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { Heddle } from "../../src/client/index.ts";
import { Endpoint } from "./lib/endpoint.ts";
import { LocalServer } from "./lib/server.ts";
import { says } from "./lib/sim.ts";

const operator = "hdl_local_admin";
/** By identifier, as the provider keeps them. */
const counted = new Map<string, URLSearchParams>();
let repeats = 0;
let isSlow = true;
let provider: Endpoint;
let server: LocalServer;

beforeAll(async () => {
  provider = await Endpoint.start(async ({ text }) => {
    const form = new URLSearchParams(text);
    const identifier = form.get("identifier")!;
    if (counted.has(identifier)) {
      repeats++;
      return { status: 400, body: JSON.stringify({ error: { code: "duplicate_meter_event", message: "known" } }) };
    }
    counted.set(identifier, form);
    // Taken, and the answer does not come before the server is killed.
    if (isSlow) await new Promise((resolve) => setTimeout(resolve, 5_000));
    return { status: 200, body: "{}" };
  });
  server = await LocalServer.start({ HEDDLE_BILLING_KEY: "sk_test", HEDDLE_BILLING_URL: new URL(provider.url).origin });
});
afterAll(async () => {
  await server?.stop();
  await provider?.[Symbol.asyncDispose]();
});

it("each event counts once over a kill -9 in mid-push", { timeout: 120_000 }, async () => {
  const admin = async (method: string, path: string, body?: object) =>
    (await server.call(method, `/admin${path}`, body, operator)).json;
  const { id: tenant } = await admin("POST", "/tenants", { name: "billed" });
  const { key } = await admin("POST", `/tenants/${tenant}/keys`, {});
  await admin("PUT", `/tenants/${tenant}/billing`, { customer: "cus_1" });
  const heddle = new Heddle({ url: server.url, key });
  const { id } = await heddle.createRun({ name: "billed" });
  await heddle.createTasks(id, { tasks: [{ instructions: says("done") }] });
  await heddle.waitFor(id, { mode: "all" });
  await heddle.finishRun(id);
  admin("POST", "/billing/push", { open_hours: true }).catch(() => {});
  await vi.waitFor(() => expect(counted.size).toBeGreaterThan(0), { timeout: 20_000, interval: 20 });
  await server.kill();
  isSlow = false;
  await server.start();
  // A claim that a crash left expires after 20 seconds.
  await vi.waitFor(
    async () => {
      const pass = await admin("POST", "/billing/push", { open_hours: true });
      expect(pass).toMatchObject({ waiting: 0, refused: 0 });
    },
    { timeout: 80_000, interval: 2_000 },
  );
  expect(repeats).toBeGreaterThan(0);
  const sums: Record<string, number> = {};
  for (const form of counted.values()) {
    const name = form.get("event_name")!;
    sums[name] = (sums[name] ?? 0) + Number(form.get("payload[value]"));
  }
  const [row] = (await admin("GET", `/tenants/${tenant}/usage?by=run`)).usage;
  expect(sums).toMatchObject({
    heddle_input_tokens: row.input_tokens,
    heddle_output_tokens: row.output_tokens,
    heddle_platform_operations: row.events,
  });
});
