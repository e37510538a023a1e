/** The agent tools: their definitions, and calls from an agent outside. */

import { scopes as allScopes } from "../contract/admin-requests.ts";
import { remoteToolName } from "../contract/remote-tools.ts";
import { signingSecret, toolDefinitionsView, toolOutcome } from "../contract/responses.ts";
import { callToolBody, toolsQuery } from "../contract/task-requests.ts";
import { isToolName, toolDefinitions } from "../contract/tools.ts";
import { Fault } from "../errors/fault.ts";
import { toolsSecret } from "../signing.ts";
import { ask } from "./objects.ts";
import { toolCallInput } from "./raw-parts.ts";
import { keyRoute } from "./route.ts";
import { deploymentSecret } from "./secrets.ts";

export const toolRoutes = [
  keyRoute(
    allScopes,
    {
      method: "GET",
      path: "/v1/tools",
      summary: "The agent tools: in a vendor's format, as MCP lists them, or as plain JSON Schemas",
      query: toolsQuery,
      answer: { status: 200, schema: toolDefinitionsView },
    },
    ({ query: { format, tools } }) => ({ tools: toolDefinitions(format, tools?.split(",").filter(isToolName)) }),
  ),

  keyRoute(
    ["runs"],
    {
      method: "GET",
      path: "/v1/tools/signing-secret",
      summary: "The key of the signatures that calls of tools with a url carry",
      answer: { status: 200, schema: signingSecret },
    },
    async ({ env, tenant }) => ({ secret: await toolsSecret(deploymentSecret(env), tenant) }),
  ),

  keyRoute(
    ["runs"],
    {
      method: "POST",
      path: "/v1/runs/:run/tools/:tool",
      summary: "Carry out a tool call of an agent outside",
      body: callToolBody,
      answer: { status: 200, schema: toolOutcome },
      problems: ["open_calls", "unknown_snapshot", "run_ended", "not_available", "context_too_large"],
    },
    ({ theRun, params, body, text, idem }) => {
      requireTool(params.tool);
      return ask(theRun().callTool(toolCallInput(params.tool, body, text), idem));
    },
  ),
];

/** @throws Fault not_found for what is no tool's name; whether the run declares one of this name is its object's to say */
export function requireTool(name: string): void {
  if (!isToolName(name) && !remoteToolName.safeParse(name).success)
    throw new Fault("not_found", "there is no such tool");
}
