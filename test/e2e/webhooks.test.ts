/** Webhooks, end to end: signed, retried, never lost over a kill of the server, and nobody else's. */

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import {
  Heddle,
  HeddleAdmin,
  isProblem,
  type Verified,
  verifyWebhook,
  WebhookRefused,
} from "../../src/client/index.ts";
import { Endpoint, type Received, type Reply } from "./lib/endpoint.ts";
import { LocalServer } from "./lib/server.ts";
import { plays, says } from "./lib/sim.ts";

interface Message {
  type: string;
  timestamp: string;
  data: { run: { id: string }; event: { seq: number }; task?: { key: string }; result?: unknown };
}

let server: LocalServer;
let heddle: Heddle;
let endpoint: Endpoint;
/** What the endpoint answers. */
let answer: (received: Received, index: number) => Reply | Promise<Reply>;
const well = () => ({ status: 204 });
const busy = () => ({ status: 503, body: "down for a while" });

beforeAll(async () => {
  endpoint = await Endpoint.start((received, index) => answer(received, index));
  server = await LocalServer.start();
  ({ heddle } = server);
});
afterAll(async () => {
  await server?.stop();
  await endpoint?.[Symbol.asyncDispose]();
});

const url = () => `${endpoint.url}?token=s3cret-of-the-query`;
const until = (check: () => void | Promise<void>, timeout = 20_000): Promise<void> =>
  vi.waitFor(check, { timeout, interval: 50 });
const of = (run: string): Message[] =>
  endpoint.received.map(({ text }) => JSON.parse(text) as Message).filter(({ data }) => data.run.id === run);
const typesOf = (run: string): string[] => of(run).map(({ type }) => type);

const failing = plays([{ calls: [{ tool: "finish", arguments: { error: { code: "sad", message: "no luck" } } }] }]);

async function worked(events?: ("run.*" | "task.*")[]): Promise<string> {
  const { id } = await heddle.createRun({ name: "hooked", webhook: { url: url(), ...(events && { events }) } });
  const tasks = [
    { key: "a", title: "The first", labels: { team: "red" }, instructions: says("done") },
    { key: "b", after: ["a"], instructions: failing },
  ];
  await heddle.createTasks(id, { tasks });
  await heddle.waitFor(id, { mode: "settled" });
  await heddle.finishRun(id);
  return id;
}

it("a run's events come, signed, each with its task and its result", async () => {
  answer = well;
  const run = await worked();
  await until(() => expect(typesOf(run).sort()).toEqual(["run.failed", "task.failed", "task.succeeded"]));
  const { secret } = await heddle.signingSecret();
  for (const { headers, text } of endpoint.received.filter((one) => one.text.includes(run))) {
    // By hand, as any library for Standard Webhooks does.
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${text}`;
    const key = Buffer.from(secret.replace("whsec_", ""), "base64");
    const signature = createHmac("sha256", key).update(signed).digest("base64");
    expect(headers["webhook-signature"]).toBe(`v1,${signature}`);
    const { id, body }: Verified<Message> = await verifyWebhook<Message>({ headers, body: text }, [
      `whsec_${btoa("the old one")}`,
      secret,
    ]);
    expect(id).toBe(`msg_${run.slice(4)}_${body.data.event.seq}`);
    await expect(verifyWebhook({ headers, body: `${text} ` }, secret)).rejects.toBeInstanceOf(WebhookRefused);
    await expect(verifyWebhook({ headers, body: text }, secret, { toleranceMs: -1 })).rejects.toThrow(/just now/);
    await expect(verifyWebhook({ headers: {}, body: text }, secret)).rejects.toThrow(/no signature/);
  }
  const ended = of(run).find(({ type }) => type === "task.succeeded")!;
  expect(ended.data).toMatchObject({
    run: { id: run, name: "hooked" },
    task: { key: "a", title: "The first", labels: { team: "red" } },
    event: { type: "task_ended" },
    result: "done",
  });
  const { counts, state } = await heddle.webhook(run);
  expect([counts, state]).toEqual([{ delivered: 3, retrying: 0, failed: 0 }, "on"]);
});

it("what an endpoint did not take comes again, and `kill -9` loses nothing and changes no message", async () => {
  answer = busy;
  const run = await worked(["run.*", "task.*"]);
  const first = endpoint.received.length;
  await until(async () => expect(await heddle.webhook(run)).toMatchObject({ state: "away", reason: null }));
  await server.kill();
  // Before it asks again: a second refusal would put a message off for half a minute.
  answer = well;
  await server.start();
  ({ heddle } = server);
  const told = (await heddle.events(run, { limit: 1000 })).events.filter(({ type }) =>
    /^(run_(ended|paused)|task_(created|started|ended))$/.test(type),
  );
  await until(() => expect(new Set(of(run).map(({ data }) => data.event.seq)).size).toBe(told.length));
  await until(async () => expect((await heddle.webhook(run)).counts).toMatchObject({ retrying: 0, failed: 0 }));
  expect(endpoint.received.length).toBeGreaterThan(first);
  const texts = new Map<string, string>();
  for (const { headers, text } of endpoint.received.filter((one) => one.text.includes(run))) {
    const id = headers["webhook-id"] as string;
    expect(texts.get(id) ?? text).toBe(text);
    texts.set(id, text);
  }
  const { deliveries } = await heddle.webhookDeliveries(run);
  expect(deliveries.map(({ seq }) => seq)).toEqual(told.map(({ seq }) => seq));
  const retried = deliveries.find(({ tries }) => tries > 1)!;
  expect(retried.attempts[0]).toMatchObject({ status: 503, why: "it answered 503: down for a while" });
});

it("an endpoint that is gone is asked no more; set again, and sent again on demand", async () => {
  answer = () => ({ status: 410 });
  const run = await worked();
  await until(async () => expect(await heddle.webhook(run)).toMatchObject({ state: "off", reason: "gone" }));
  answer = well;
  const before = endpoint.received.length;
  expect(await heddle.setWebhook(run, { url: url() })).toMatchObject({ state: "on", reason: null });
  await until(async () => expect((await heddle.webhook(run)).counts.delivered).toBe(3));
  expect(endpoint.received.length).toBe(before + 3);
  expect(await heddle.replayWebhook(run)).toEqual({ replayed: 3 });
  await until(() => expect(endpoint.received.length).toBe(before + 6));
  const [one] = (await heddle.webhookDeliveries(run, { limit: 1 })).deliveries;
  await heddle.replayDelivery(run, one!.id);
  await until(() => expect(endpoint.received.length).toBe(before + 7));
  expect(endpoint.received.at(-1)!.headers["webhook-id"]).toBe(one!.id);
  const events = (await heddle.events(run, { limit: 1000 })).events.filter(({ type }) => type.startsWith("webhook"));
  expect(events.map(({ type, why }) => [type, why])).toEqual([
    ["webhook_set", undefined],
    ["webhook_off", "gone"],
    ["webhook_set", undefined],
  ]);
});

it("a test says what came back; redirects are not followed", async () => {
  answer = well;
  const { id } = await heddle.createRun({ webhook: { url: url(), events: ["run.paused"] } });
  expect(await heddle.testWebhook(id)).toMatchObject({ delivered: true, status: 204, why: null });
  expect(JSON.parse(endpoint.received.at(-1)!.text)).toMatchObject({ type: "webhook.test", data: { run: { id } } });
  const before = endpoint.received.length;
  answer = () => ({ status: 302, headers: { location: endpoint.url } });
  expect(await heddle.testWebhook(id)).toMatchObject({
    delivered: false,
    status: 302,
    why: "it answered 302, and redirects are not followed",
  });
  answer = () => ({ status: 401, body: "no: s3cret-of-the-query\n\u001b[31m is wrong" });
  expect((await heddle.testWebhook(id)).why).toBe("it answered 401: no: [key] [31m is wrong");
  expect(endpoint.received.length).toBe(before + 2);
  await heddle.finishRun(id);
});

it("no private address, no other tenant's run, and no secret in what is told", async () => {
  answer = well;
  const run = await worked();
  for (const bad of [
    "http://10.0.0.1/",
    "https://169.254.169.254/latest",
    "https://[fd00::1]/",
    "ftp://a.test/",
    "x",
  ]) {
    await expect(heddle.setWebhook(run, { url: bad })).rejects.toSatisfy((error) =>
      isProblem(error, "validation_failed"),
    );
  }
  const admin = new HeddleAdmin({ url: server.url, secret: "hdl_local_admin" });
  const tenant = await admin.createTenant("others");
  const { key } = await admin.createKey(tenant.id, { scopes: ["runs"] });
  const other = new Heddle({ url: server.url, key });
  const { deliveries } = await heddle.webhookDeliveries(run);
  const mine = await other.createRun({ webhook: { url: url() } });
  for (const call of [
    () => other.webhook(run),
    () => other.setWebhook(run, { url: url() }),
    () => other.removeWebhook(run),
    () => other.webhookDeliveries(run),
    () => other.replayWebhook(run),
    () => other.replayDelivery(run, deliveries[0]!.id),
    () => other.replayDelivery(mine.id, deliveries[0]!.id),
    () => other.testWebhook(run),
  ])
    await expect(call()).rejects.toSatisfy((error) => isProblem(error, "not_found"));
  expect((await other.signingSecret()).secret).not.toBe((await heddle.signingSecret()).secret);

  const seen = [
    JSON.stringify(await heddle.webhook(run)),
    JSON.stringify(await heddle.webhookDeliveries(run)),
    JSON.stringify(await heddle.events(run, { limit: 1000 })),
    await (await heddle.trace(run)).text(),
    readFileSync(join(server.state, "server.log"), "utf8"),
  ];
  for (const text of seen) expect(text).not.toContain("s3cret-of-the-query");
});
