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

export interface Asked {
  readonly key?: string;
  readonly body?: string;
  readonly type?: string;
  readonly idem?: string;
  readonly with?: HttpEnv;
}

/** As `send`, for what is not JSON. */
export async function ask(method: string, path: string, { key = operator, body, type, idem, with: given }: Asked) {
  const left: Promise<unknown>[] = [];
  const response = await app.request(
    `http://heddle.test${path}`,
    {
      method,
      ...(body !== undefined && { body }),
      headers: {
        authorization: `Bearer ${key}`,
        ...(type !== undefined && { "content-type": type }),
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
  const text = new TextDecoder().decode(await response.arrayBuffer());
  await Promise.all(left);
  return { status: response.status, headers: response.headers, text };
}

export async function send(method: string, path: string, { json, ...sent }: Sent = {}) {
  const body = json === undefined ? {} : { body: JSON.stringify(json), type: "application/json" };
  const { status, headers, text } = await ask(method, path, { ...sent, ...body });
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  return { status, headers, body: (text === "" ? null : JSON.parse(text)) as any };
}

export async function newTenant(name = "Weavers"): Promise<string> {
  return (await send("POST", "/admin/tenants", { json: { name } })).body.id as string;
}

export async function newKey(tenant: string, body: object = {}): Promise<{ id: string; key: string }> {
  return (await send("POST", `/admin/tenants/${tenant}/keys`, { json: body })).body as { id: string; key: string };
}
