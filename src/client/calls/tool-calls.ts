/** The agent tools: their definitions, and calls from an agent outside. */

import type { ToolOutcome } from "../replies.ts";
import type { AnthropicTool, JsonSchemaTool, McpTool, OpenAiTool, ToolFormat, ToolRequest } from "../requests.ts";
import type { CallOptions } from "../transport.ts";
import { at } from "./calls.ts";
import { LookCalls } from "./look-calls.ts";

/** `tools`: only these of Heddle's tools, by name; each costs tokens in every request. */
export type ToolsOptions = CallOptions & { readonly tools?: readonly string[] };

/** The agent tools: their definitions, and calls from an agent outside. */
export class ToolCalls extends LookCalls {
  /** Heddle's tools, ready to paste into a request of that vendor, or as an MCP server lists them, or as plain schemas. */
  toolDefinitions(format: "anthropic", options?: ToolsOptions): Promise<AnthropicTool[]>;
  toolDefinitions(format: "openai", options?: ToolsOptions): Promise<OpenAiTool[]>;
  toolDefinitions(format: "mcp", options?: ToolsOptions): Promise<McpTool[]>;
  toolDefinitions(format: "json-schema", options?: ToolsOptions): Promise<JsonSchemaTool[]>;
  async toolDefinitions(format: ToolFormat, { tools, ...options }: ToolsOptions = {}): Promise<object[]> {
    if (tools?.length === 0) return [];
    const query = { format, ...(tools && { tools: tools.join(",") }) };
    const reply = await this.getJson<{ tools: object[] }>("/v1/tools", query, options);
    return reply.tools;
  }

  /** A tool call of an agent outside. Whatever the agent can be told is an outcome and not an error. */
  callTool(run: string, tool: string, body: ToolRequest = {}, options: CallOptions = {}): Promise<ToolOutcome> {
    return this.postTool(`${at(run)}/tools/${encodeURIComponent(tool)}`, body, options, true);
  }

  /** The key by which an endpoint checks that a call of its tool comes from Heddle (Standard Webhooks). */
  signingSecret(options: CallOptions = {}): Promise<{ secret: string }> {
    return this.getJson("/v1/tools/signing-secret", {}, options);
  }
}
