/** One attempt of a call whose tool is an MCP server's. Made in a seat; what U1, U3 and U4 of url-call.ts say holds here too. */

import { secretsIn } from "../contract/tool-address.ts";
import { callServerTool, ServerTrouble, serverKey } from "../mcp-client/index.ts";
import type { McpUrlCall, UrlOutcome } from "../objects/seat-rpc.ts";
import type { CredentialSecrets } from "./credentials.ts";
import { retryAfterMs, safeText } from "./models/faults.ts";
import { unfitResult } from "./url-call.ts";

export interface McpPorts {
  readonly secrets: CredentialSecrets;
  readonly tenant: string;
  readonly local: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const faultOf = {
  busy: "endpoint_busy",
  unreachable: "endpoint_unreachable",
  refused: "endpoint_refused",
} as const;

export async function attemptMcp(work: McpUrlCall, ports: McpPorts): Promise<UrlOutcome> {
  const { url, mcp, payload, idempotencyKey } = work;
  const { tenant, local, timeoutMs, signal } = ports;
  const found = mcp.credential === undefined ? undefined : await serverKey(ports.secrets, tenant, mcp.credential, url);
  if (found && "unusable" in found) return failed("refused", "credential_unusable", found.unusable, []);
  const secrets = [...(found ? [found.key] : []), ...secretsIn(url)];
  const call = { tool: mcp.tool, args: JSON.parse(payload) as object, idempotencyKey, repeats: mcp.repeats };
  try {
    const { result, isError } = await callServerTool({ url, local, ...found }, call, { timeoutMs, signal });
    const unfit = unfitResult(result);
    return unfit === undefined ? { kind: "result", result, isError } : failed("refused", "bad_answer", unfit, secrets);
  } catch (error) {
    if (!(error instanceof ServerTrouble)) throw error;
    const { kind, code, message, headers } = error;
    const wait = headers && retryAfterMs(headers, Date.now());
    return { ...failed(kind, code, message, secrets), ...(wait !== undefined && { retryAfterMs: wait }) };
  }
}

const failed = (kind: keyof typeof faultOf, code: string, message: string, secrets: readonly string[]) =>
  ({ kind: "error", fault: faultOf[kind], error: { code, message: safeText(message, secrets) } }) as const;
