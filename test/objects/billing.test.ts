/** From usage to a billing provider's events: each amount once in effect, whatever the provider and crashes do. */

import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { billUsage } from "../../src/billing/push.ts";
import { type Billing, meterNames } from "../../src/contract/billing.ts";
import { billingClaimMs, billingDoubtMs, billingKeptMs, billingSettleMs } from "../../src/limits.ts";
import { noAmounts, type UsageRow } from "../../src/metering/meter.ts";
import {
  claimEvents,
  countEvents,
  listEvents,
  removeCustomer,
  retryEvents,
  setCustomer,
} from "../../src/storage/d1/billing.ts";
import { addUsage, meteredTo, sumUsage } from "../../src/storage/d1/usage.ts";

const db = (env as { DB: D1Database }).DB;
const hourMs = 3_600_000;
const thisHour = Math.floor(Date.now() / hourMs) * hourMs;
const past = thisHour - 3 * hourMs;
const billing: Billing = { meters: meterNames, provider: { url: "https://provider.test", key: "sk_secret" } };

let tenant: string;
/** What the provider answers in place of 200, one a request. `lost`: it takes the event and its answer never comes. */
let acts: (Response | "lost")[];
let requests: { identifier: string; key: string | null; authorization: string | null }[];
/** Values by meter and model, each identifier once. */
let effect: Map<string, number>;

beforeEach(async () => {
  tenant = `t${crypto.randomUUID()}`;
  acts = [];
  requests = [];
  effect = new Map();
  const known = new Set<string>();
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    expect(String(input)).toBe("https://provider.test/v1/billing/meter_events");
    const form = new URLSearchParams(init?.body as string);
    const identifier = form.get("identifier")!;
    const headers = new Headers(init?.headers);
    requests.push({ identifier, key: headers.get("idempotency-key"), authorization: headers.get("authorization") });
    const act = acts.shift();
    if (act instanceof Response) return act;
    if (known.has(identifier))
      return Response.json(
        { error: { message: `An event already exists with identifier ${identifier}.` } },
        { status: 400 },
      );
    known.add(identifier);
    const name = `${form.get("event_name")} ${form.get("payload[model]") ?? ""}`.trim();
    effect.set(name, (effect.get(name) ?? 0) + Number(form.get("payload[value]")));
    if (act === "lost") throw new Error("connection lost");
    return Response.json({ object: "billing.meter_event" });
  });
  await db.prepare("DELETE FROM billing_events").run();
  await db.prepare("DELETE FROM billing_hours").run();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

async function uses(amounts: Partial<UsageRow>, run = "run_a"): Promise<void> {
  const row = { ...{ hour: past, model: "", pool: "", labels: "" }, ...noAmounts(), ...amounts };
  const from = await meteredTo(db, { tenant, id: run });
  await addUsage(
    db,
    { tenant, id: run, key: "k" },
    { from, to: { upto: from.upto + 1, at: 0, open: {} }, rows: [row] },
  );
}
const bill = (customer = "cus_1", since = 0) => setCustomer(db, tenant, { customer, since }, "operator", Date.now());
const pass = (how = {}) => billUsage(db, billing, how);
const later = (ms: number) => vi.useFakeTimers({ now: Date.now() + ms, toFake: ["Date"] });

it("makes an event of each amount of a closed hour, for those who have a customer, and sends it once", async () => {
  await uses({ model: "m1", inputTokens: 10, outputTokens: 2, taskMs: 1900, events: 3 });
  await bill();
  await uses({ model: "m1", inputTokens: 5 }, "run_b");
  await uses({ model: "m2", inputTokens: 7, cacheReadTokens: 4, taskMs: 200 }, "run_b");
  await uses({ model: "m1", inputTokens: 1000, hour: thisHour });
  expect(await pass()).toEqual({ created: 6, sent: 6, refused: 0, error: null });
  expect(Object.fromEntries(effect)).toEqual({
    "heddle_input_tokens m1": 15,
    "heddle_input_tokens m2": 7,
    "heddle_output_tokens m1": 2,
    "heddle_cache_read_tokens m2": 4,
    heddle_task_seconds: 2,
    heddle_platform_operations: 3,
  });
  expect(requests[0]).toMatchObject({ authorization: "Bearer sk_secret" });
  expect(requests[0]!.key).toBe(`${requests[0]!.identifier}-1`);
  expect(await pass()).toEqual({ created: 0, sent: 0, refused: 0, error: null });
  expect((await pass({ openHours: true })).created).toBe(1);
  expect(effect.get("heddle_input_tokens m1")).toBe(1015);
});

it("what is metered late is an event of its own, and what came before stays as it was", async () => {
  await bill();
  await uses({ model: "m", inputTokens: 10, taskMs: 700 });
  await pass();
  const before = await listEvents(db, { tenant, after: 0, limit: 10 });
  await uses({ model: "m", inputTokens: 4, taskMs: 700 });
  expect((await pass()).created).toBe(2);
  expect((await listEvents(db, { tenant, after: 0, limit: 10 })).slice(0, before.length)).toEqual(before);
  expect(effect.get("heddle_input_tokens m")).toBe(14);
  expect(effect.get("heddle_task_seconds")).toBe(1);
});

it("an hour is not made events of before it has settled", async () => {
  await bill();
  await uses({ model: "m", inputTokens: 1, hour: thisHour });
  vi.useFakeTimers({ now: thisHour + hourMs + billingSettleMs - 1, toFake: ["Date"] });
  expect((await pass()).created).toBe(0);
  vi.useFakeTimers({ now: thisHour + hourMs + billingSettleMs, toFake: ["Date"] });
  expect((await pass()).created).toBe(1);
});

it("bills from the hour that was said, nothing of who has no customer, and nothing more after it was removed", async () => {
  await uses({ model: "m", inputTokens: 1 });
  expect((await pass()).created).toBe(0);
  await bill("cus_1", past + hourMs);
  await uses({ model: "m", inputTokens: 2, hour: past + hourMs });
  expect((await pass()).created).toBe(1);
  await removeCustomer(db, tenant, "operator", Date.now());
  await uses({ model: "m", inputTokens: 4, hour: past + hourMs });
  expect((await pass()).created).toBe(0);
  await bill("cus_2", past);
  await pass();
  expect(effect.get("heddle_input_tokens m")).toBe(7);
});

it("many passes at once, and answers that are lost, count each amount once", async () => {
  await bill();
  for (let i = 0; i < 12; i++) await uses({ model: `m${i}`, inputTokens: 10 + i });
  acts = ["lost", "lost", "lost"];
  await Promise.all(Array.from({ length: 4 }, () => pass()));
  for (let i = 0; i < 3; i++) {
    later(2 * hourMs);
    await pass();
  }
  expect(await countEvents(db, tenant)).toEqual({ waiting: 0, sent: 12, refused: 0 });
  expect([...effect.values()].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => 10 + i));
  expect(requests.length).toBeGreaterThan(12);
});

it("a crash between taking an event and settling it leaves it to whoever comes after the claim has expired", async () => {
  await bill();
  await uses({ model: "m", inputTokens: 3 });
  await billUsage(db, { meters: meterNames });
  const [claimed] = await claimEvents(db, { now: Date.now(), until: Date.now() + billingClaimMs, limit: 5 });
  expect((await pass()).sent).toBe(0);
  later(billingClaimMs + 1);
  expect((await pass()).sent).toBe(1);
  expect(requests.map(({ identifier }) => identifier)).toEqual([claimed!.identifier]);
});

it("who is busy is left alone until it says; a wrong key puts all off and refuses nothing, and is not told", async () => {
  const said = vi.spyOn(console, "error").mockImplementation(() => {});
  await bill();
  for (let i = 0; i < 8; i++) await uses({ model: `m${i}`, inputTokens: 1 });
  acts = Array.from({ length: 5 }, () => new Response("", { status: 429, headers: { "retry-after": "120" } }));
  expect(await pass()).toMatchObject({ sent: 0, refused: 0, error: "it answered 429" });
  expect(requests).toHaveLength(5);
  later(60_000);
  expect((await pass()).sent).toBe(3);
  later(61_000);
  acts = Array.from({ length: 5 }, () =>
    Response.json({ error: { message: "Invalid API Key: sk_secret" } }, { status: 401 }),
  );
  expect(await pass()).toMatchObject({ sent: 0, refused: 0, error: "it answered 401: Invalid API Key: [key]" });
  later(hourMs);
  expect((await pass()).sent).toBe(5);
  expect(JSON.stringify(said.mock.calls)).not.toContain("sk_secret");
});

it("what was put off has its turn before what is made after it is due: a stream of new events never starves it", async () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  await bill();
  await uses({ model: "first", inputTokens: 1 });
  acts = [new Response("", { status: 503 })];
  await pass();
  const [first] = requests;
  later(hourMs);
  for (let i = 0; i < 8; i++) await uses({ model: `m${i}`, inputTokens: 1 });
  // More than the provider takes.
  acts = [...Array.from({ length: 4 }, () => Response.json({})), new Response("", { status: 429 })];
  requests = [];
  await pass();
  expect(requests).toHaveLength(5);
  expect(requests[0]).toEqual(first);
});

it("what is refused says why, waits for the operator, and is sent again for the customer that there is then", async () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  await bill("cus_wrong");
  await uses({ model: "m", inputTokens: 3 });
  acts = [Response.json({ error: { message: "No such customer" } }, { status: 400 })];
  expect(await pass()).toMatchObject({ sent: 0, refused: 1 });
  later(30 * 24 * hourMs);
  expect(await pass()).toMatchObject({ sent: 0, refused: 0 });
  const [refused] = await listEvents(db, { tenant, state: "refused", after: 0, limit: 10 });
  expect(refused).toMatchObject({ error: "it answered 400: No such customer", customer: "cus_wrong" });
  await bill("cus_right");
  expect(await retryEvents(db, tenant, Date.now())).toBe(1);
  expect((await pass()).sent).toBe(1);
  expect(requests.map(({ key }) => key)).toEqual([`${refused!.identifier}-1`, `${refused!.identifier}-2`]);
  expect(await listEvents(db, { tenant, after: 0, limit: 10 })).toMatchObject([
    { state: "sent", customer: "cus_right" },
  ]);
});

it("what may have been taken is not sent again by itself when the provider may have forgotten it", async () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  await bill();
  await uses({ model: "m", inputTokens: 3 });
  acts = ["lost"];
  await pass();
  later(billingDoubtMs + 60_000);
  expect(await pass()).toMatchObject({ sent: 0, refused: 1 });
  expect(requests).toHaveLength(1);
  expect((await listEvents(db, { tenant, after: 0, limit: 1 }))[0]!.error).toMatch(/may have been taken/);
});

it("a refusal that takes nothing does not make certain what was in doubt before it", async () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  await bill();
  await uses({ model: "m", inputTokens: 3 });
  acts = ["lost"];
  await pass();
  later(60 * 60_000);
  acts = [new Response("", { status: 429 })];
  expect(await pass()).toMatchObject({ sent: 0, refused: 0, error: "it answered 429" });
  later(billingDoubtMs);
  expect(await pass()).toMatchObject({ sent: 0, refused: 1 });
  expect(requests).toHaveLength(2);
});

it("what is older than anybody bills is dropped, and is made nothing of again", async () => {
  await bill();
  await uses({ model: "m1", inputTokens: 10, outputTokens: 2 });
  await uses({ model: "m1", inputTokens: 5, hour: past + 2 * hourMs });
  await pass();
  later(past + billingKeptMs + 1 - Date.now());
  await pass();
  const kept = () => listEvents(db, { tenant, after: 0, limit: 100 });
  expect(await kept()).toMatchObject([{ hour: past + 2 * hourMs, value: 5, state: "sent" }]);
  await uses({ model: "m1", inputTokens: 7 });
  // What was told of this hour a pass beside this one may just have dropped.
  await uses({ model: "m1", inputTokens: 3, hour: past + hourMs });
  await uses({ model: "m1", inputTokens: 1, hour: past + 2 * hourMs });
  // Also where all hours are looked at anew.
  await bill("cus_2");
  expect(await pass()).toMatchObject({ created: 1, sent: 1 });
  expect((await kept()).map(({ hour, value }) => [hour - past, value])).toEqual([
    [2 * hourMs, 5],
    [2 * hourMs, 1],
  ]);
  expect(await db.prepare("SELECT COUNT(*) AS n FROM billing_hours").first()).toEqual({ n: 0 });
});

it("sums beyond all whole numbers keep nobody from being billed, nor the operator from seeing usage", async () => {
  const [victim, attacker] = [tenant, `t${crypto.randomUUID()}`];
  tenant = attacker;
  await bill();
  // More than SQLite can add up in whole numbers; as stored while reports had no bound.
  for (let i = 0; i < 1100; i += 100)
    await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        uses({ model: "m", inputTokens: Number.MAX_SAFE_INTEGER, hour: past - hourMs }, `run_${i + n}`),
      ),
    );
  tenant = victim;
  await bill();
  await uses({ model: "m", inputTokens: 3 });
  await pass();
  expect(await countEvents(db, victim)).toMatchObject({ sent: 1 });
  const range = { from: past - hourMs, to: past, by: "tenant", limit: 10 } as const;
  expect((await sumUsage(db, undefined, range)).find(({ value }) => value === attacker)!.input_tokens).toBeGreaterThan(
    9e18,
  );
});
