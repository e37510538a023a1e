/** Runs, their findings, timelines, tasks and results as resources. */

import { ProtocolError, ProtocolErrorCode, ResourceNotFoundError, type Server } from "@modelcontextprotocol/server";
import { type McpResource, mcpTemplates, resourceOf, runUri, timelineType } from "../contract/mcp-resources.ts";
import { unreachable } from "../errors/assert.ts";
import type { Answered, Ask, McpCall } from "../http/mcp.ts";
import { nameCharsMax } from "../limits.ts";
import { problemOf } from "./answers.ts";
import { safely } from "./safely.ts";

interface ListedRuns {
  readonly runs: readonly { readonly id: string; readonly name: string | null; readonly status: string }[];
  readonly next_cursor: string | null;
}

export function serveResources(server: Server, { ask }: McpCall): void {
  server.setRequestHandler(
    "resources/list",
    safely(async ({ params }) => {
      const cursor = params?.cursor;
      const listed = await ask({ method: "GET", path: "/v1/runs", query: cursor === undefined ? {} : { cursor } });
      if (!listed.ok) throw problemError(listed);
      const { runs, next_cursor } = JSON.parse(listed.text) as ListedRuns;
      const resources = runs.map(({ id, name, status }) => ({
        ...{ uri: runUri(id), name: name ?? id, description: `A run, ${status}.`, mimeType: "application/json" },
      }));
      return { resources, ...(next_cursor !== null && { nextCursor: next_cursor }) };
    }),
  );
  server.setRequestHandler("resources/templates/list", () => ({ resourceTemplates: [...mcpTemplates] }));
  server.setRequestHandler(
    "resources/read",
    safely(async ({ params: { uri } }) => {
      const resource = resourceOf(uri);
      if (!resource) throw notFound(uri);
      const answered = await ask(requestOf(resource));
      if (!answered.ok) throw problemOf(answered).code === "not_found" ? notFound(uri) : problemError(answered);
      const mimeType = resource.kind === "timeline" ? timelineType : "application/json";
      return { contents: [{ uri, mimeType, text: answered.text }] };
    }),
  );
}

/** The answer repeats the address twice; of one that is as long as a body a piece is told. */
const notFound = (uri: string) => new ResourceNotFoundError(uri.slice(0, nameCharsMax));

function requestOf(resource: McpResource): Ask {
  const { run } = resource;
  switch (resource.kind) {
    case "run":
      return { method: "GET", path: "/v1/runs/:run", params: { run }, query: resource.query };
    case "findings":
      return { method: "GET", path: "/v1/runs/:run/findings", params: { run }, query: resource.query };
    case "timeline":
      return { method: "GET", path: "/v1/runs/:run/trace", params: { run }, query: { format: "csv" } };
    case "tasks":
      return { method: "GET", path: "/v1/runs/:run/tasks", params: { run }, query: resource.query };
    case "task":
      return { method: "GET", path: "/v1/runs/:run/tasks/:task", params: { run, task: resource.task } };
    default:
      return unreachable(resource);
  }
}

/** The problem travels along as data: its code and hint are the same as everywhere. */
function problemError(answered: Answered): ProtocolError {
  const { code, title, detail, hint, retryable, errors } = problemOf(answered);
  const isCallers = code === "validation_failed";
  const data = { code, hint, retryable, ...(errors !== undefined && { errors }) };
  const kind = isCallers ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
  return new ProtocolError(kind, `${code}: ${detail ?? title}`, data);
}
