/** A door without a server: the app itself, on a real D1. */

import { env } from "cloudflare:workers";
import { createApp } from "../../../src/http/app.ts";
import type { HttpEnv } from "../../../src/http/env.ts";

export const db = (env as { DB: D1Database }).DB;
const operator = "operators-own-secret";
export const bindings = {
  ...(env as object),
  HEDDLE_SECRET: "a secret of thirty-two characters",
  HEDDLE_ADMIN_SECRET: operator,
  HEDDLE_CREDENTIALS_KEY: "another secret of 32 characters!",
} as unknown as HttpEnv;

const app = createApp();

export interface Sent {
  readonly json?: unknown;
  readonly key?: string;
  readonly idem?: string;
  /** In place of the usual ones. */
  readonly with?: HttpEnv;
}

export async function send(method: string, path: string, { json, key = operator, idem, with: given }: Sent = {}) {
  const left: Promise<unknown>[] = [];
  const response = await app.request(
    `http://heddle.test${path}`,
    {
      method,
      ...(json !== undefined && { body: JSON.stringify(json) }),
      headers: {
        authorization: `Bearer ${key}`,
        ...(json !== undefined && { "content-type": "application/json" }),
        ...(idem !== undefined && { "idempotency-key": idem }),
      },
    },
    given ?? bindings,
    {
      waitUntil: (work: Promise<unknown>) => void left.push(work),
      passThroughOnException: () => {},
      props: {},
    } as unknown as ExecutionContext,
  );
  const text = await response.text();
  await Promise.all(left);
  return {
    status: response.status,
    headers: response.headers,
    // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
    body: (text === "" ? null : JSON.parse(text)) as any,
  };
}

export async function newTenant(name = "Weavers"): Promise<string> {
  return (await send("POST", "/admin/tenants", { json: { name } })).body.id as string;
}

export async function newKey(tenant: string, body: object = {}): Promise<{ id: string; key: string }> {
  return (await send("POST", `/admin/tenants/${tenant}/keys`, { json: body })).body as { id: string; key: string };
}
