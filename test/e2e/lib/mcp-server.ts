/** Small MCP servers on loopback, by the official library: one of the present, one of a version that keeps sessions. */

import { randomUUID } from "node:crypto";
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { McpServer as OldServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";

export interface Heard {
  readonly method: string;
  readonly authorization: string | undefined;
  /** JSON-RPC's method, of a POST. */
  readonly asked: string | undefined;
}

export class ToolServer {
  readonly heard: Heard[] = [];
  readonly #http: HttpServer;
  /** Answers in place of the server, while it is there. */
  instead:
    | ((request: IncomingMessage, response: ServerResponse, message: { method?: string; id?: unknown }) => boolean)
    | undefined;
  /** Added to the first tool's description: what a server says of itself may change. */
  suffix = "";

  private constructor(
    serve: (self: ToolServer, request: IncomingMessage, response: ServerResponse, body: string) => Promise<void>,
  ) {
    this.#http = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks).toString();
      const message = (body === "" ? {} : JSON.parse(body)) as { method?: string; id?: unknown };
      this.heard.push({
        method: request.method ?? "",
        authorization: request.headers.authorization,
        asked: message.method,
      });
      if (this.instead?.(request, response, message)) return;
      await serve(this, request, response, body).catch(() => response.destroy());
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/mcp`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  async #listening(): Promise<this> {
    await new Promise<void>((ready) => this.#http.listen(0, "127.0.0.1", ready));
    return this;
  }

  /** Without sessions, of revision 2026-07-28 and before. */
  static start(): Promise<ToolServer> {
    const serve = async (self: ToolServer, request: IncomingMessage, response: ServerResponse, body: string) => {
      const handler = createMcpHandler(() => withTools(new McpServer({ name: "tools", version: "1" }), self.suffix));
      const asked = new Request(`http://127.0.0.1${request.url}`, {
        method: request.method!,
        headers: Object.entries(request.headers).map(([name, value]) => [name, String(value)] as [string, string]),
        ...(body !== "" && { body }),
      });
      const answer = await handler.fetch(asked);
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      response.end(Buffer.from(await answer.arrayBuffer()));
    };
    return new ToolServer(serve).#listening();
  }

  /** With sessions, of 2025. */
  static startOld(): Promise<ToolServer> {
    const sessions = new Map<string, StreamableHTTPServerTransport>();
    const serve = async (self: ToolServer, request: IncomingMessage, response: ServerResponse, body: string) => {
      let transport = sessions.get(String(request.headers["mcp-session-id"]));
      if (!transport) {
        const begun = new StreamableHTTPServerTransport({
          sessionIdGenerator: randomUUID,
          onsessioninitialized: (id) => void sessions.set(id, begun),
          onsessionclosed: (id) => void sessions.delete(id),
        });
        transport = begun;
        await withTools(new OldServer({ name: "tools", version: "1" }) as unknown as McpServer, self.suffix).connect(
          begun as never,
        );
      }
      await transport.handleRequest(request, response, body === "" ? undefined : JSON.parse(body));
    };
    const server = new ToolServer(serve);
    server.sessions = sessions;
    return server.#listening();
  }

  sessions: ReadonlyMap<string, unknown> = new Map();
}

function withTools(server: McpServer, suffix: string): McpServer {
  const path = { inputSchema: z.object({ path: z.string() }) };
  server.registerTool(
    "read",
    { description: `Reads a file.${suffix}`, ...path, annotations: { readOnlyHint: true } },
    async ({ path: at }) => ({
      content: [{ type: "text", text: `contents of ${at}` }],
    }),
  );
  const outputSchema = z.object({ lines: z.number() });
  server.registerTool("count", { description: "Counts lines.", ...path, outputSchema }, async () => ({
    content: [{ type: "text", text: '{"lines":7}' }],
    structuredContent: { lines: 7 },
  }));
  server.registerTool("refuse", { description: "Says no.", inputSchema: z.object({}) }, async () => ({
    content: [{ type: "text", text: "not today" }],
    isError: true,
  }));
  server.registerTool("picture", { description: "Draws.", inputSchema: z.object({}) }, async () => ({
    content: [
      { type: "text", text: "see" },
      { type: "image", mimeType: "image/png", data: "AAAAAAAA" },
    ],
  }));
  server.registerTool("large", { description: "Much.", inputSchema: z.object({}) }, async () => ({
    content: [{ type: "text", text: "x".repeat(1_200_000) }],
  }));
  server.registerTool("rm.all", { description: "Has a dot.", inputSchema: z.object({}) }, async () => ({
    content: [],
  }));
  return server;
}
