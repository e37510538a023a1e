/** The MCP door on the real objects: two tenants' keys, and messages as clients send them. */

import { env } from "cloudflare:workers";
import { expect } from "vitest";
import { createApp } from "../../../src/http/app.ts";
import type { HttpEnv } from "../../../src/http/env.ts";
import { answerMcp } from "../../../src/mcp/door.ts";

export const bindings = env as unknown as HttpEnv;
const app = createApp({
  localKeys: {
    keys: [
      { key: "hdl_a", tenant: "ten_mcp_a", scopes: ["runs", "workers"] },
      { key: "hdl_b", tenant: "ten_mcp_b", scopes: ["runs", "workers"] },
    ],
    operatorSecret: "operate",
  },
  mcp: answerMcp,
});

export const api = async (method: string, path: string, json?: object, key = "hdl_a") => {
  const response = await app.request(
    `http://heddle.test${path}`,
    {
      method,
      ...(json && { body: JSON.stringify(json) }),
      headers: { authorization: `Bearer ${key}`, ...(json && { "content-type": "application/json" }) },
    },
    bindings,
  );
  const text = await response.text();
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  return (text === "" ? null : JSON.parse(text)) as any;
};

export interface Message {
  readonly key?: string;
  /** Of 2026, with what the client can do. */
  readonly modern?: { readonly extensions?: object; readonly elicitation?: object };
  readonly waitMs?: number;
  readonly session?: string;
  readonly id?: number;
}

export const tasks = { modern: { extensions: { "io.modelcontextprotocol/tasks": {} } } };

export function message(
  method: string,
  params: Record<string, unknown>,
  { key = "hdl_a", modern, waitMs = 0, session, id = 1 }: Message,
) {
  const meta = modern && {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "Test client", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": modern,
  };
  return app.request(
    `http://heddle.test/mcp?wait_ms=${waitMs}`,
    {
      method: "POST",
      body: JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, ...(meta && { _meta: meta }) } }),
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...(session !== undefined && { "mcp-session-id": session }),
        ...(modern && {
          "mcp-protocol-version": "2026-07-28",
          "mcp-method": method,
          "mcp-name": String(params.name ?? params.uri ?? params.taskId ?? ""),
        }),
      },
    },
    bindings,
  );
}

export async function rpc(method: string, params: Record<string, unknown>, sent: Message = {}) {
  const text = await (await message(method, params, sent)).text();
  const data = text.split("\n").find((line) => line.startsWith("data: "));
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  return JSON.parse(data?.slice(6) ?? text) as any;
}

/** What a tool answered: its structured content, or its error. */
export async function tool(name: string, args: object, sent: Message = {}) {
  const { result, error } = await rpc("tools/call", { name, arguments: args }, sent);
  if (error) return { rpc: error };
  if (result.isError) return JSON.parse(result.content[0].text);
  if (result.structuredContent) expect(JSON.parse(result.content[0].text)).toEqual(result.structuredContent);
  return result.structuredContent ?? result;
}

export const newRun = async (key = "hdl_a"): Promise<string> =>
  (await tool("start_run", { context: "All know this." }, { key })).id;
