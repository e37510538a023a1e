/** What MCP servers say, as results; and where the client of Heddle goes, whatever they say. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createMcpHandler, Server } from "@modelcontextprotocol/server";
import { describe, expect, it, test } from "vitest";
import { mcpAnswerBytesMax, mcpListValuesMax } from "../../src/limits.ts";
import { callServerTool, listTools, ServerTrouble } from "../../src/mcp-client/index.ts";
import { resultOf } from "../../src/mcp-client/result.ts";

const text = (...texts: string[]) => texts.map((one) => ({ type: "text", text: one }));

test.each<[string, Parameters<typeof resultOf>[0], ReturnType<typeof resultOf>]>([
  ["text", { content: text("a", "b") }, { result: "a\nb", isError: false }],
  ["nothing", {}, { result: "", isError: false }],
  [
    "structure before its text",
    { content: text("{}"), structuredContent: { n: 1 } },
    { result: { n: 1 }, isError: false },
  ],
  [
    "an error's text before its structure",
    { content: text("no"), structuredContent: {}, isError: true },
    { result: "no", isError: true },
  ],
  [
    "pictures without their bytes",
    { content: [...text("see"), { type: "image", mimeType: "image/png", data: "AAAA" }] },
    { result: [...text("see"), { type: "image", mimeType: "image/png", left_out: "3 bytes" }], isError: false },
  ],
  [
    "files without theirs",
    { content: [{ type: "resource", resource: { uri: "file:///a", blob: "AAAA" } }] },
    { result: [{ type: "resource", resource: { uri: "file:///a", left_out: "3 bytes" } }], isError: false },
  ],
  [
    "links as they are",
    { content: [{ type: "resource_link", uri: "https://a.example", name: "a" }] },
    { result: [{ type: "resource_link", uri: "https://a.example", name: "a" }], isError: false },
  ],
])("%s", (_, answer, result) => {
  expect(resultOf(answer)).toEqual(result);
});

describe("a server that is not to be trusted", () => {
  type Answered = { status: number; headers?: Record<string, string>; body?: string };

  /** What becomes of a list that is asked of it, and what it was asked. */
  async function asked(answer: (path: string) => Answered, more: { key?: string; local?: boolean } = {}) {
    const paths: string[] = [];
    const server = createServer((request, response) => {
      paths.push(`${request.method} ${request.url}`);
      request.resume();
      const { status, headers = {}, body = "" } = answer(request.url ?? "");
      response.writeHead(status, headers).end(body);
    });
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    try {
      const signal = new AbortController().signal;
      const trouble = await listTools({ url, local: true, ...more }, { timeoutMs: 2000, signal }).catch(
        (error) => error,
      );
      expect(trouble).toBeInstanceOf(ServerTrouble);
      const { kind, code, message } = trouble as ServerTrouble;
      return { kind, code, message, paths };
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  it("[G1] leads to no other address: not by a redirect, and not by what it says of its authorization", async () => {
    const away = await asked(() => ({ status: 302, headers: { location: "/elsewhere" } }));
    expect(away).toMatchObject({ kind: "refused", code: "http_status" });
    const login = await asked(() => ({
      status: 401,
      headers: {
        "www-authenticate": 'Bearer resource_metadata="http://127.0.0.1:1/.well-known/oauth-protected-resource"',
      },
    }));
    expect(login).toMatchObject({ kind: "refused", code: "unauthorized" });
    for (const { paths } of [away, login]) expect(new Set(paths)).toEqual(new Set(["POST /mcp"]));
  });

  it("holds no answer against a schema of the server's own, whose pattern might take for ever", async () => {
    const tool = {
      ...{ name: "slow", inputSchema: { type: "object" } },
      outputSchema: { type: "object", properties: { a: { type: "string", pattern: "^(a+)+$" } } },
    };
    const structuredContent = { a: `${"a".repeat(34)}!` };
    const { fetch: handle } = createMcpHandler(() => {
      const own = new Server({ name: "own", version: "1" }, { capabilities: { tools: {} } });
      own.setRequestHandler("tools/list", () => ({ tools: [tool] as never }));
      own.setRequestHandler("tools/call", () => ({ content: [], structuredContent }) as never);
      return own;
    });
    let calls = 0;
    const server = createServer(async (request, response) => {
      const body = Buffer.concat(await request.toArray()).toString();
      const { id, method } = JSON.parse(body) as { id: number; method: string };
      // The first call is refused in such a way that the client asks for the list of tools.
      const isRefused = method === "tools/call" && calls++ === 0;
      const error = { code: -32020, message: "headers do not match" };
      const headers = Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]);
      const answer = isRefused
        ? Response.json({ jsonrpc: "2.0", id, error })
        : await handle(new Request("http://127.0.0.1/mcp", { method: "POST", headers, body }));
      response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
    });
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    try {
      const begun = process.cpuUsage().user;
      const call = { tool: "slow", args: {}, idempotencyKey: "k", repeats: true };
      const asked = { timeoutMs: 20_000, signal: new AbortController().signal };
      expect(await callServerTool({ url, local: true }, call, asked)).toEqual({
        ...{ result: structuredContent, isError: false },
      });
      expect(calls).toBe(2);
      expect(process.cpuUsage().user - begun).toBeLessThan(5_000_000);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it("[G1] is not asked at all at an address that may not be called", async () => {
    expect(await asked(() => ({ status: 200 }), { local: false })).toMatchObject({
      code: "address_refused",
      paths: [],
    });
  });

  it("[G2] does not make the key part of a message", async () => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 0, error: { code: -32000, message: "not s3cr3t-key" } });
    const { message } = await asked(() => ({ status: 400, headers: { "content-type": "application/json" }, body }), {
      key: "s3cr3t-key",
    });
    expect(message).not.toContain("s3cr3t-key");
  });

  it("[G3] is not read beyond the bound", async () => {
    const body = `{"jsonrpc":"2.0","id":0,"result":{"x":"${"x".repeat(mcpAnswerBytesMax)}"}}`;
    const large = await asked(() => ({ status: 200, headers: { "content-type": "application/json" }, body }));
    expect(large).toMatchObject({ kind: "refused", code: "bad_answer", message: expect.stringContaining("bytes") });
  });

  it.each([
    ["ones", (n: number) => `[${"1,".repeat(n)}1]`],
    ["objects", (n: number) => `[${"{},".repeat(n / 2)}{}]`],
    [
      "members, in a stream whose events open a quotation",
      (n: number) => `[{"a":1${',"b":1'.repeat(n)}}]`,
      'event: "\ndata: ',
    ],
  ])("[G3] is not read beyond the bound of values: of %s", async (_, listOf, before = "") => {
    const type = before === "" ? "application/json" : "text/event-stream";
    const answer = (tools: string) => ({
      ...{ status: 200, headers: { "content-type": type } },
      body: `${before}{"jsonrpc":"2.0","id":0,"result":{"tools":${tools}}}\n\n`,
    });
    const large = await asked(() => answer(listOf(mcpListValuesMax)));
    expect(large).toMatchObject({ kind: "refused", code: "bad_answer", message: expect.stringContaining("values") });
    // Nor is a text counted by its commas.
    const text = await asked(() => answer(JSON.stringify([{ description: '\\",{['.repeat(mcpListValuesMax) }])));
    expect(text.message).not.toContain("over");
  });

  it("may be busy, or talk nonsense, or nothing", async () => {
    expect(await asked(() => ({ status: 503 }))).toMatchObject({ kind: "busy" });
    expect((await asked(() => ({ status: 200, headers: { "content-type": "text/html" }, body: "<html>" }))).kind).toBe(
      "refused",
    );
    expect((await asked(() => ({ status: 202 }))).kind).toMatch(/refused|unreachable/);
  });
});
