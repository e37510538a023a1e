/**
 * MCP servers whose tools a run's hosted agents may call: named in the run's `tools`, beside remote tools. What a server offers is asked once,
 * when the run is created; from then on its tools are the run's own remote tools, with these bytes (R2 of remote-tools.ts).
 *
 * What a server says of its tools goes to the model, so it is as much to be trusted as the server.
 */

import * as z from "zod";
import * as limits from "../limits.ts";
import { unfitJson } from "./json-bounds.ts";
import { credentialName } from "./provider-requests.ts";
import {
  callBounds,
  declaredToolsSchema,
  type RemoteTool,
  remoteToolName,
  remoteToolSchema,
  toolList,
  toolUrl,
} from "./remote-tools.ts";

const mcpServerSchema = z
  .strictObject({
    mcp: z.strictObject({
      url: toolUrl.describe("The server's address (streamable HTTP): https, and no private one, outside local mode."),
      credential: credentialName
        .describe('A credential of the tenant (/v1/providers) with format "mcp" for this very address.')
        .exactOptional(),
    }),
    allow: z
      .array(z.string().min(1).max(limits.nameCharsMax))
      .min(1)
      .max(limits.remoteToolsMax)
      .describe("The tools that may be called, by their names there; others are not shown."),
    prefix: z
      .string()
      .regex(/^[a-zA-Z0-9_-]{1,32}$/, "a prefix is [a-zA-Z0-9_-]{1,32}")
      .describe("Put before the tools' names.")
      .exactOptional(),
    ...callBounds,
  })
  .meta({ id: "McpServer" });

export const runToolsSchema = toolList(z.union([remoteToolSchema, mcpServerSchema]));

export type McpServer = z.output<typeof mcpServerSchema>;
export type RunTool = z.output<typeof runToolsSchema>[number];

export const isMcpServer = (tool: RunTool): tool is McpServer => "mcp" in tool;

/** A tool as its server lists it. */
export interface ListedTool {
  readonly name: string;
  readonly description?: string | undefined;
  readonly inputSchema: object;
  readonly annotations?:
    | { readonly readOnlyHint?: boolean | undefined; readonly idempotentHint?: boolean | undefined }
    | undefined;
}

export interface Refused {
  /** Below the entry. */
  readonly path: string;
  readonly message: string;
}

/** The run's tools that a server's are, in the order of `allow`; or what is wrong with the entry. */
export function toolsOfServer(
  server: McpServer,
  listed: readonly ListedTool[],
): { tools: RemoteTool[]; errors: Refused[] } {
  const tools: RemoteTool[] = [];
  const errors: Refused[] = [];
  for (const [i, name] of server.allow.entries()) {
    const refuse = (message: string) => void errors.push({ path: `.allow[${i}]`, message });
    const found = listed.find((tool) => tool.name === name);
    if (!found) {
      refuse(`the server has no tool ${JSON.stringify(name)}; it has ${nameSome(listed)}`);
      continue;
    }
    const { prefix = "", mcp, timeout_ms, retries } = server;
    const own = `${prefix}${name}`;
    if (!remoteToolName.safeParse(own).success) {
      refuse(`${JSON.stringify(own)} can't be a tool's name here: [a-zA-Z0-9_-]{1,64}`);
      continue;
    }
    // As that of a tool in a request, whose bounds no server's answer has passed.
    const unfit = unfitJson(found.inputSchema);
    if (unfit !== undefined) {
      refuse(`the schema of the server's tool ${JSON.stringify(name)} ${unfit}`);
      continue;
    }
    const { readOnlyHint = false, idempotentHint = false } = found.annotations ?? {};
    tools.push({
      name: own,
      description: (found.description || name).slice(0, limits.toolDescriptionCharsMax),
      input_schema: JSON.stringify(found.inputSchema),
      url: mcp.url,
      mcp: {
        tool: name,
        ...(mcp.credential !== undefined && { credential: mcp.credential }),
        repeats: readOnlyHint || idempotentHint,
      },
      ...{ timeout_ms, retries },
    });
  }
  return { tools, errors };
}

const nameSome = (listed: readonly ListedTool[]): string => {
  const names = listed.slice(0, limits.mcpNamesShown).map(({ name }) => name.slice(0, 64));
  return names.length === 0 ? "none" : names.join(", ") + (listed.length > names.length ? ", …" : "");
};

/** All of a run's tools together, as they will be kept: what no single entry shows. */
export const checkDeclared = (tools: readonly RemoteTool[]) =>
  declaredToolsSchema.safeParse(
    tools.map((tool) => ({ ...tool, input_schema: JSON.parse(tool.input_schema) as unknown })),
  ).error;
