/** The operator's view of what tenants use and are billed for, against a real D1. */

import { expect, test } from "vitest";
import { noAmounts } from "../../../src/metering/meter.ts";
import { addUsage, unmetered } from "../../../src/storage/d1/usage.ts";
import { db, newKey, newTenant, send } from "./lib.ts";

const hourMs = 3_600_000;
const past = Math.floor(Date.now() / hourMs) * hourMs - 5 * hourMs;

async function uses(tenant: string, inputTokens: number): Promise<void> {
  const row = { ...{ hour: past, model: "m", pool: "", labels: "" }, ...noAmounts(), inputTokens };
  await addUsage(
    db,
    { tenant, id: `run_${tenant}`, key: "k" },
    { from: unmetered, to: { upto: 1, at: 0, open: {} }, rows: [row] },
  );
}

test("a tenant is billed to a customer: events by pages and as a file, an act in the audit log", async () => {
  const tenant = await newTenant();
  const path = `/admin/tenants/${tenant}/billing`;
  expect((await send("GET", path)).body).toMatchObject({ tenant, customer: null, since: null });
  await uses(tenant, 10);
  const set = await send("PUT", path, { json: { customer: "cus_1", since: new Date(past).toISOString() } });
  expect([set.status, set.body.customer, set.body.since]).toEqual([200, "cus_1", past]);
  expect((await send("PUT", path, { json: { customer: "cus_2" } })).body.since).toBe(past);
  const pass = await send("POST", "/admin/billing/push", { json: {} });
  expect(pass.body).toMatchObject({ configured: false, created: 1, sent: 0, refused: 0, error: null });
  const events = `/admin/billing/events?tenant=${tenant}`;
  const first = (await send("GET", events)).body;
  expect(first).toMatchObject({
    events: [
      {
        ...{ event_name: "heddle_input_tokens", timestamp: new Date(past).toISOString(), tenant, state: "waiting" },
        payload: { stripe_customer_id: "cus_2", value: "10", model: "m" },
      },
    ],
    next_cursor: null,
  });
  await db.prepare("UPDATE usage SET output_tokens = 5 WHERE tenant = ?").bind(tenant).run();
  await send("PUT", path, { json: { customer: "cus_2" } });
  await send("POST", "/admin/billing/push", { json: {} });
  const page = (await send("GET", `${events}&limit=1`)).body;
  expect(page.events).toEqual(first.events);
  const next = (await send("GET", `${events}&limit=1&cursor=${page.next_cursor}`)).body;
  expect(next).toMatchObject({ events: [{ event_name: "heddle_output_tokens" }], next_cursor: null });
  expect((await send("GET", `${events}&state=sent`)).body.events).toEqual([]);
  expect((await send("DELETE", path)).status).toBe(204);
  expect((await send("GET", path)).body).toMatchObject({ customer: null, events: { waiting: 2 } });
  const { entries } = (await send("GET", `/admin/audit?tenant=${tenant}`)).body;
  expect(entries.map(({ act }: { act: string }) => act)).toEqual([
    ...["tenant_created", "billing_set", "billing_set", "billing_set", "billing_removed"],
  ]);
});

test("usage of one tenant and of all, for the operator alone", async () => {
  const [a, b] = [await newTenant("a"), await newTenant("b")];
  await uses(a, 10);
  await uses(b, 20);
  const { usage } = (await send("GET", "/admin/usage?limit=1000")).body;
  const of = (tenant: string) => usage.find((row: { tenant: string }) => row.tenant === tenant).input_tokens;
  expect([of(a), of(b)]).toEqual([10, 20]);
  expect((await send("GET", `/admin/tenants/${b}/usage?by=model`)).body.usage).toMatchObject([
    { model: "m", input_tokens: 20 },
  ]);
  expect((await send("GET", `/admin/tenants/${b}/usage?by=tenant`)).body.errors[0].path).toBe("by");
  const { key } = await newKey(a, { scopes: ["runs", "tenant_admin"] });
  for (const path of [
    "/admin/usage",
    `/admin/tenants/${b}/usage`,
    `/admin/tenants/${a}/billing`,
    "/admin/billing/events",
  ])
    expect((await send("GET", path, { key })).status).toBe(401);
});

test("what is wrong is told; with a tenant go its events", async () => {
  const tenant = await newTenant();
  const path = `/admin/tenants/${tenant}/billing`;
  for (const [json, at] of [
    [{}, "customer"],
    [{ customer: "a b" }, "customer"],
    [{ customer: "cus_1", since: "yesterday" }, "since"],
  ] as const)
    expect((await send("PUT", path, { json })).body.errors[0].path).toBe(at);
  expect((await send("PUT", "/admin/tenants/ten_none/billing", { json: { customer: "cus_1" } })).status).toBe(404);
  expect((await send("GET", "/admin/billing/events?cursor=x")).body.errors[0].path).toBe("cursor");
  await uses(tenant, 1);
  await send("PUT", path, { json: { customer: "cus_1", since: "0" } });
  await send("POST", "/admin/billing/push", { json: {} });
  await send("DELETE", `/admin/tenants/${tenant}`);
  for (const table of ["billing_customers", "billing_events", "billing_hours"])
    expect(await db.prepare(`SELECT * FROM ${table} WHERE tenant = ?`).bind(tenant).first()).toBeNull();
  expect((await send("PUT", path, { json: { customer: "cus_1" } })).status).toBe(409);
});
