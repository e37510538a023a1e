/** A tenant's credentials: set, seen without the key, sealed under another secret, and opened by a seat of the tenant alone. */

import { beforeAll, expect, test } from "vitest";
import { credentialProvider } from "../../../src/agent/credentials.ts";
import { aboutView } from "../../../src/contract/tenant-responses.ts";
import { version } from "../../../src/version.ts";
import { bindings, db, newKey, newTenant, send } from "./lib.ts";

const secretKey = "sk-ant-a-very-secret-key-wxyz";
let tenant: string;
let admin: string;
let plain: string;
beforeAll(async () => {
  tenant = await newTenant("with credentials");
  admin = (await newKey(tenant, { scopes: ["tenant_admin"] })).key;
  plain = (await newKey(tenant)).key;
});

const put = (name: string, json: object, key = admin) => send("PUT", `/v1/providers/${name}`, { json, key });
const anthropic = { format: "anthropic", key: secretKey };

/** As a seat of that tenant would, with the secrets of the deployment. */
const opened = (name: string, of = tenant, secrets: object = bindings) =>
  credentialProvider({ ...secrets, DB: db }, of, { name, model: "m" }, "anthropic");

test("a credential is set and seen, and its key never again", async () => {
  const set = await put("main", { ...anthropic, base_url: "https://gateway.example.com/v1", model: "claude-x" });
  expect(set).toMatchObject({
    status: 200,
    body: {
      ...{ name: "main", format: "anthropic", base_url: "https://gateway.example.com/v1", model: "claude-x" },
      ...{ default: true, last4: "wxyz" },
    },
  });
  expect((await send("GET", "/v1/providers/main", { key: plain })).body).toEqual(set.body);
  expect((await send("GET", "/v1/providers", { key: plain })).body.providers).toEqual([set.body]);
  expect((await put("main", anthropic, plain)).body.code).toBe("forbidden");
  expect((await send("GET", "/v1/about", { key: plain })).body.models.anthropic).toBe("provider");

  const dump = await Promise.all(["credentials", "audit"].map((table) => db.prepare(`SELECT * FROM ${table}`).all()));
  expect(JSON.stringify(dump)).not.toContain(secretKey.slice(0, -4));
  expect(await opened("main")).toEqual({
    ...{ name: "anthropic", baseUrl: "https://gateway.example.com/v1", apiKey: secretKey },
    ...{ defaultModel: "m", idleMs: 300_000 },
  });
});

test("about: what the key may do, with any scope, and which models answer", async () => {
  const before = Date.now();
  const all = await newKey(tenant, { scopes: ["runs", "workers", "tenant_admin"] });
  const about = aboutView.parse((await send("GET", "/v1/about", { key: all.key })).body);
  expect(about).toMatchObject({ tenant, scopes: ["runs", "workers", "tenant_admin"], version });
  expect(about.at).toBeGreaterThanOrEqual(before);
  expect(about.models).toEqual({ anthropic: "provider", openai: "none" });
  const { key } = await newKey(await newTenant(), { scopes: ["workers"] });
  expect((await send("GET", "/v1/about", { key })).body).toMatchObject({
    ...{ scopes: ["workers"], models: { anthropic: "none", openai: "none" } },
  });
});

test("the first of a format is its default, until another is made so", async () => {
  const defaults = async () =>
    (await send("GET", "/v1/providers", { key: plain })).body.providers
      .filter((one: { default: boolean }) => one.default)
      .map(({ name }: { name: string }) => name);
  await put("second", anthropic);
  await put("gpt", { format: "openai", key: "sk-openai-000000" });
  await put("gpt-b", { format: "openai", key: "sk-openai-000001", default: false });
  expect(await defaults()).toEqual(["gpt", "main"]);
  await put("second", { ...anthropic, default: true });
  expect(await defaults()).toEqual(["gpt", "second"]);
  // A new key leaves it what it is.
  await put("second", anthropic);
  await put("main", anthropic);
  expect(await defaults()).toEqual(["gpt", "second"]);
});

test.each([
  ["an address that is private", { base_url: "https://10.0.0.8/v1" }, "base_url"],
  ["one without TLS", { base_url: "http://gateway.example.com" }, "base_url"],
  ["one with a query", { base_url: "https://gateway.example.com/?a" }, "base_url"],
  ["a key with a line break", { key: "sk-abc-secret\r\nx-evil: 1" }, "key"],
  ["a format that there is not", { format: "other" }, "format"],
  ["no key", { key: undefined }, "key"],
])("refused, without a word of the key: %s", async (_, wrong, path) => {
  const { status, body } = await put("wrong", { ...anthropic, ...wrong });
  expect([status, body.errors[0].path]).toEqual([422, path]);
  expect(JSON.stringify(body)).not.toContain("secret");
  expect((await send("GET", "/v1/providers/wrong", { key: plain })).status).toBe(404);
});

test("another tenant neither sees nor opens it, not even with the row in its hands", async () => {
  const other = await newTenant("stranger");
  const { key } = await newKey(other, { scopes: ["tenant_admin", "runs"] });
  expect((await send("GET", "/v1/providers", { key })).body.providers).toEqual([]);
  for (const method of ["GET", "DELETE"])
    expect((await send(method, "/v1/providers/main", { key })).body.code).toBe("not_found");
  expect(await opened("main", other)).toEqual({ unusable: expect.stringContaining('"main" is gone') });

  const take = "INSERT INTO credentials SELECT ?, ?, format, base_url, model, 0, last4, sealed, sealed_by, 0, 0";
  const from = "FROM credentials WHERE tenant = ? AND name = 'main'";
  await db.prepare(`${take} ${from}`).bind(other, "stolen", tenant).run();
  expect(await opened("stolen", other)).toEqual({ unusable: expect.stringContaining("HEDDLE_CREDENTIALS_KEY") });
  // Nor is it sent anywhere else than its owner said.
  await db.prepare(`${take} ${from}`).bind(tenant, "moved", tenant).run();
  await db
    .prepare("UPDATE credentials SET base_url = 'https://evil.example.com', name = 'bent' WHERE name = 'moved'")
    .run();
  expect(await opened("bent")).toEqual({ unusable: expect.stringContaining("HEDDLE_CREDENTIALS_KEY") });
});

test("under a new secret the old one still opens, until all is sealed anew", async () => {
  const present = "a newer secret of 32 characters!";
  const old = bindings.HEDDLE_CREDENTIALS_KEY!;
  const turned = {
    ...bindings,
    HEDDLE_CREDENTIALS_KEY: present,
    HEDDLE_CREDENTIALS_KEY_OLD: `${"y".repeat(32)},${old.replaceAll(" ", "_")}`,
  };
  const spaceless = { ...bindings, HEDDLE_CREDENTIALS_KEY: old.replaceAll(" ", "_") };
  await send("PUT", "/v1/providers/turned", { json: anthropic, key: admin, with: spaceless });
  expect(await opened("turned", tenant, { HEDDLE_CREDENTIALS_KEY: present })).toHaveProperty("unusable");

  const { status, body } = await send("POST", "/admin/providers/reseal", { json: {}, with: turned });
  expect([status, body.sealed, body.left]).toEqual([200, 1, false]);
  expect(body.unreadable).toContainEqual({ tenant, name: "main" });
  const again = await send("POST", "/admin/providers/reseal", { json: {}, with: turned });
  expect(again.body.sealed).toBe(0);
});

test("however many no secret opens, those behind them are sealed anew too, and `left` is false only when all were looked at", async () => {
  // A tenant that stands before all others in the order in which credentials are looked at.
  const many = "WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 1100)";
  await db
    .prepare(
      `${many} INSERT INTO credentials SELECT 'a', 'lost' || n, 'anthropic', NULL, NULL, 0, '', 'AAAA', 'gone', 0, 0 FROM count`,
    )
    .run();
  const old = "an older secret of 32 characters";
  const turned = { ...bindings, HEDDLE_CREDENTIALS_KEY_OLD: old.replaceAll(" ", "_") };
  const before = { ...bindings, HEDDLE_CREDENTIALS_KEY: old.replaceAll(" ", "_") };
  await send("PUT", "/v1/providers/behind", { json: anthropic, key: admin, with: before });

  const { body } = await send("POST", "/admin/providers/reseal", { json: {}, with: turned });
  expect(body).toMatchObject({ left: false });
  expect(await opened("behind")).toMatchObject({ apiKey: secretKey });
  await db.prepare("DELETE FROM credentials WHERE tenant = 'a'").run();
});

test("without a secret nothing is kept, and the answer names what is missing", async () => {
  const bare = { ...bindings, HEDDLE_CREDENTIALS_KEY: "short" };
  const { status, body } = await send("PUT", "/v1/providers/x", { json: anthropic, key: admin, with: bare });
  expect([status, body.code]).toEqual([501, "not_configured"]);
  expect(body.detail).toContain("HEDDLE_CREDENTIALS_KEY");
});

test("the operator sets and deletes them too; each act is in the log with its actor", async () => {
  const at = `/admin/tenants/${tenant}/providers`;
  expect((await send("PUT", `${at}/ops`, { json: anthropic })).status).toBe(200);
  expect((await send("GET", at)).body.providers.map(({ name }: { name: string }) => name)).toContain("ops");
  expect((await send("DELETE", `${at}/ops`)).status).toBe(204);
  expect((await send("DELETE", `${at}/ops`)).status).toBe(404);
  await send("DELETE", "/v1/providers/gpt-b", { key: admin });
  const { entries } = (await send("GET", `/v1/audit?limit=1000`, { key: admin })).body;
  const acts = entries.map(({ act, target, actor }: Record<string, string>) => `${act} ${target} ${actor}`);
  expect(acts).toContain("credential_set ops operator");
  expect(acts).toContain("credential_deleted ops operator");
  expect(acts.at(-1)).toMatch(/^credential_deleted gpt-b key_\w{16}$/);
});
