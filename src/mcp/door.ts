/**
 * The MCP door: one message, one server of the official library for as long as it takes to answer it.
 *
 * There are no sessions of the protocol: what has to last between two messages (holds, waits) is the run's, and is named by ids that
 * the client has. So any isolate answers any message, and a restart loses nothing.
 *
 * Both eras of the protocol are served from one definition: the revision of 2026, and those of 2025, without its experimental tasks.
 */

import {
  type CallToolResult,
  createMcpHandler,
  type GetPromptResult,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { rawAt } from "../context/json-text.ts";
import { mcpInstructions, mcpPrompts } from "../contract/mcp-prompts.ts";
import { type McpToolName, mcpTools } from "../contract/mcp-tools.ts";
import type { McpCall } from "../http/mcp.ts";
import { mcpAliveMs, mcpListMs } from "../limits.ts";
import { version } from "../version.ts";
import { cancel, cancellationOf, sessionHeader } from "./cancelled.ts";
import { serveResources } from "./resources.ts";
import { safely } from "./safely.ts";
import { serveTasks } from "./tasks.ts";
import { callTool } from "./tools.ts";
import { clientOf, keyOf, type Turn, tasksExtension } from "./turn.ts";

type Era = "legacy" | "modern";

const kept = { ttlMs: mcpListMs, cacheScope: "private" } as const;

export async function answerMcp(call: McpCall): Promise<Response> {
  const { method, id } = call.message as { method?: unknown; id?: unknown };
  if (method === "notifications/cancelled") cancel(call.request, call.message);
  // There is nothing to listen to, and a stream of nothing would be one that never ends.
  if (method === "subscriptions/listen") return noSubscriptions(id);
  const handler = createMcpHandler(({ era }) => serverFor(call, era), {
    // A long wait without a byte is cut off by proxies: a stream is kept alive.
    responseMode: method === "tools/call" ? "sse" : "auto",
    keepAliveMs: mcpAliveMs,
  });
  const response = await handler.fetch(call.request, { parsedBody: call.message });
  if (method !== "initialize" || !response.ok) return response;
  const headers = new Headers(response.headers);
  headers.set(sessionHeader, crypto.randomUUID());
  return new Response(response.body, { status: response.status, headers });
}

const noSubscriptions = (id: unknown): Response =>
  Response.json(
    { jsonrpc: "2.0", id: id ?? null, error: { code: ProtocolErrorCode.MethodNotFound, message: "Method not found" } },
    { status: 404 },
  );

function serverFor(call: McpCall, era: Era): Server {
  const isKey = call.bearer === "key";
  const server = new Server(
    { name: "heddle", title: "Heddle", version },
    {
      capabilities: {
        tools: { listChanged: false },
        prompts: { listChanged: false },
        // A lease is for its task: it opens nothing that is to be read.
        ...(isKey && { resources: { listChanged: false, subscribe: false } }),
        ...(era === "modern" && { extensions: { [tasksExtension]: {} } }),
      },
      instructions: mcpInstructions[call.bearer],
      cacheHints: { "tools/list": kept, "prompts/list": kept, "resources/templates/list": kept },
    },
  );
  const offered = mcpTools(call.bearer, call.options.tools);

  server.setRequestHandler("tools/list", () => ({ tools: offered as never }));
  server.setRequestHandler(
    "tools/call",
    safely(async ({ params: { name } }, context) => {
      if (!offered.some((tool) => tool.name === name)) {
        const names = offered.map((tool) => tool.name).join(", ");
        throw new ProtocolError(
          ProtocolErrorCode.InvalidParams,
          `there is no tool ${JSON.stringify(name.slice(0, 64))}; there are ${names}`,
        );
      }
      const argumentsText = rawAt(call.text, ["params", "arguments"]) ?? "{}";
      const { cancelled, done } = cancellationOf(call.request, context.mcpReq.id);
      try {
        // A task's handle is one of the results that the library passes on as they are.
        return (await callTool(
          call,
          name as McpToolName,
          argumentsText,
          turnOf(era, context, cancelled),
        )) as CallToolResult;
      } finally {
        done();
      }
    }),
  );

  server.setRequestHandler("prompts/list", () => ({
    prompts: mcpPrompts.map(({ text: _, arguments: taken, ...prompt }) => ({ ...prompt, arguments: [...taken] })),
  }));
  server.setRequestHandler("prompts/get", ({ params: { name, arguments: given = {} } }) => promptOf(name, given));
  if (isKey) serveResources(server, call);
  if (era === "modern") serveTasks(server, call);
  return server;
}

function promptOf(name: string, given: Readonly<Record<string, string>>): GetPromptResult {
  const prompt = mcpPrompts.find((one) => one.name === name);
  if (!prompt) {
    const names = mcpPrompts.map((one) => one.name).join(", ");
    throw new ProtocolError(
      ProtocolErrorCode.InvalidParams,
      `there is no prompt ${JSON.stringify(name.slice(0, 64))}; there are ${names}`,
    );
  }
  const missing = prompt.arguments.find((one) => one.required && !given[one.name]);
  if (missing) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `${name} needs the argument ${missing.name}`);
  const { description } = prompt;
  return { description, messages: [{ role: "user", content: { type: "text", text: prompt.text(given) } }] };
}

/** What a tool call knows of the request that brought it. */
function turnOf(era: Era, { mcpReq }: ServerContext, cancelled: Promise<void>): Turn {
  const progressToken = mcpReq._meta?.progressToken;
  const key = keyOf(mcpReq._meta);
  const client = clientOf(mcpReq.envelope);
  return {
    gone: Promise.race([cancelled, hangUp(mcpReq.signal)]),
    client: client.name,
    tasks: era === "modern" && client.tasks,
    elicits: client.elicits,
    ...(key !== undefined && { key }),
    ...(progressToken !== undefined && {
      progress: (progress: number, message: string) =>
        mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, message } }),
    }),
  };
}

const hangUp = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
