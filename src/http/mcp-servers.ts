/** The tools that a run declares, with those of the MCP servers that it names: asked now, and kept as they are. */

import { rawElements } from "../context/json-text.ts";
import { mismatchOf } from "../contract/field-errors.ts";
import {
  checkDeclared,
  isMcpServer,
  type ListedTool,
  type McpServer,
  type RunTool,
  toolsOfServer,
} from "../contract/mcp-servers.ts";
import { type RemoteTool, toolWithText } from "../contract/remote-tools.ts";
import { refusedAddress } from "../contract/tool-address.ts";
import { Fault, type FieldError } from "../errors/fault.ts";
import { faultMessageCharsMax, mcpListingMs, mcpServersMax } from "../limits.ts";
import type { HttpEnv } from "./env.ts";

type Located = { readonly tools: readonly RemoteTool[] } | { readonly errors: readonly FieldError[] };

/** `text` is the JSON text of the array. @throws Fault validation_failed, tools_too_large, mcp_server_failed */
export async function declaredTools(
  env: HttpEnv,
  tenant: string,
  given: readonly RunTool[],
  text: string,
  signal: AbortSignal,
): Promise<RemoteTool[]> {
  const texts = rawElements(text);
  const local = env.HEDDLE_BOOT !== undefined;
  const refused = given.flatMap((tool, i) => {
    const [url, path] = isMcpServer(tool) ? [tool.mcp.url, `tools[${i}].mcp.url`] : [tool.url, `tools[${i}].url`];
    const message = url === undefined ? undefined : refusedAddress(url, { local });
    return message === undefined ? [] : [{ path, message }];
  });
  const servers = given.filter(isMcpServer);
  if (servers.length > mcpServersMax) refused.push({ path: "tools", message: `at most ${mcpServersMax} MCP servers` });
  if (refused.length > 0) throw new Fault("validation_failed", undefined, refused);
  const found = await Promise.all(
    given.map(async (tool, i): Promise<Located> => {
      if (!isMcpServer(tool)) return { tools: [toolWithText(tool, texts[i]!)] };
      const { tools, errors } = toolsOfServer(tool, await listed(env, tenant, tool, `tools[${i}]`, { local, signal }));
      return errors.length === 0
        ? { tools }
        : { errors: errors.map(({ path, message }) => ({ path: `tools[${i}]${path}`, message })) };
    }),
  );
  const errors = found.flatMap((one) => ("errors" in one ? one.errors : []));
  if (errors.length > 0) throw new Fault("validation_failed", undefined, errors);
  const tools = found.flatMap((one) => ("tools" in one ? one.tools : []));
  const wrong = servers.length > 0 ? checkDeclared(tools) : undefined;
  if (!wrong) return tools;
  // What a server says can't be pointed at in the request: the tool is named.
  const { code, errors: own } = mismatchOf(wrong);
  const named = own.map(({ path, message }) => {
    const at = /^\[(\d+)\]\.?(.*)$/.exec(path);
    const name = at && tools[Number(at[1])]?.name;
    return { path: "tools", message: name ? `${name}: ${at[2]}: ${message}` : message };
  });
  throw new Fault(code, named[0]?.message, named);
}

async function listed(
  env: HttpEnv,
  tenant: string,
  { mcp: { url, credential } }: McpServer,
  path: string,
  { local, signal }: { readonly local: boolean; readonly signal: AbortSignal },
): Promise<ListedTool[]> {
  // Loaded with the first server: few runs have any.
  const { listTools, ServerTrouble, serverKey } = await import("../mcp-client/index.ts");
  const found = credential === undefined ? undefined : await serverKey(env, tenant, credential, url);
  if (found && "unusable" in found) {
    const message = found.unusable;
    throw new Fault("validation_failed", undefined, [{ path: `${path}.mcp.credential`, message }]);
  }
  try {
    return await listTools({ url, local, ...found }, { timeoutMs: mcpListingMs, signal });
  } catch (error) {
    if (!(error instanceof ServerTrouble)) throw error;
    const message = error.message.slice(0, faultMessageCharsMax);
    throw new Fault("mcp_server_failed", `${path}: ${message}`, [{ path: `${path}.mcp.url`, message }]);
  }
}
