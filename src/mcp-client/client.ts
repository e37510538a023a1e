/** MCP servers of tenants, asked by the official client: what tools they have, and to call one. One connection a question. */

import {
  Client,
  type ClientOptions,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { mcpKeyMember } from "../contract/idempotency-keys.ts";
import type { ListedTool } from "../contract/mcp-servers.ts";
import { mcpGoodbyeMs, mcpPagesMax } from "../limits.ts";
import { unreachedText } from "../unreached.ts";
import { version } from "../version.ts";
import { guardedFetch, type ServerAddress, type Spoken } from "./guarded-fetch.ts";
import { type Answer, resultOf } from "./result.ts";
import { ServerTrouble } from "./trouble.ts";

/**
 * A result is what the server says it is. The client's own check, which a server brings about by refusing a call's headers, holds it to a
 * schema of the server's, whose pattern may take for ever (json-schema/).
 */
const anyValue: NonNullable<ClientOptions["jsonSchemaValidator"]> = {
  getValidator: () => (value) => ({ valid: true, data: value as never, errorMessage: undefined }),
};

interface Asked {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** All tools that the server lists. @throws ServerTrouble */
export const listTools = (address: ServerAddress, asked: Asked): Promise<ListedTool[]> =>
  connected(address, asked, async (client, options) => {
    const tools: ListedTool[] = [];
    let cursor: string | undefined;
    for (let pages = 0; pages < mcpPagesMax; pages++) {
      const page = await client.listTools(cursor === undefined ? {} : { cursor }, options);
      tools.push(...page.tools);
      cursor = page.nextCursor;
      if (cursor === undefined) return tools;
    }
    throw new ServerTrouble("refused", "bad_answer", `its list of tools has more than ${mcpPagesMax} pages`);
  });

interface Call {
  readonly tool: string;
  readonly args: object;
  /** Names the call over all of its attempts. */
  readonly idempotencyKey: string;
  /** A second call is harmless. */
  readonly repeats: boolean;
}

/** Calls a tool. @throws ServerTrouble, `refused` where it may have been carried out and must not be again */
export async function callServerTool(
  address: ServerAddress,
  { tool, args, idempotencyKey, repeats }: Call,
  asked: Asked,
): Promise<ReturnType<typeof resultOf>> {
  const spoken: Spoken = { called: false };
  try {
    return await connected(
      address,
      asked,
      async (client, options) => {
        const _meta = { [mcpKeyMember]: idempotencyKey };
        const answer = await client.callTool(
          { name: tool, arguments: args as Record<string, unknown>, _meta },
          options,
        );
        return resultOf(answer as Answer);
      },
      spoken,
    );
  } catch (error) {
    const isOpen = error instanceof ServerTrouble && error.kind === "unreachable" && spoken.called && !repeats;
    if (!isOpen) throw error;
    throw new ServerTrouble(
      "refused",
      "outcome_unknown",
      `${error.message}; the call may have been carried out, and is not repeated`,
    );
  }
}

async function connected<T>(
  address: ServerAddress,
  { timeoutMs, signal }: Asked,
  work: (client: Client, options: { timeout: number; signal: AbortSignal }) => Promise<T>,
  spoken: Spoken = { called: false },
): Promise<T> {
  // What is waited for in all; the client's own times are for single requests.
  const until = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const options = { timeout: timeoutMs, signal: until };
  const client = new Client(
    { name: "heddle", version },
    { versionNegotiation: { mode: "auto" }, jsonSchemaValidator: anyValue },
  );
  const transport = new StreamableHTTPClientTransport(new URL(address.url), {
    fetch: guardedFetch(address, spoken) as typeof fetch,
    // A stream that breaks off is a call that failed: the next attempt begins anew.
    reconnectionOptions: {
      maxRetries: 0,
      initialReconnectionDelay: 1,
      maxReconnectionDelay: 1,
      reconnectionDelayGrowFactor: 1,
    },
  });
  try {
    await client.connect(transport, options);
    return await work(client, options);
  } catch (error) {
    throw masked(spoken.trouble ?? troubleOf(error), address.key);
  } finally {
    await goodbye(client, transport);
  }
}

/** Servers of 2025 keep sessions; whether they hear of its end is theirs. */
async function goodbye(client: Client, transport: StreamableHTTPClientTransport): Promise<void> {
  const ended = transport.sessionId === undefined ? Promise.resolve() : transport.terminateSession();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, mcpGoodbyeMs);
  });
  await Promise.race([ended.catch(() => {}), late]);
  clearTimeout(timer);
  await client.close().catch(() => {});
}

/** A server may repeat the key that it was sent. */
const masked = (trouble: ServerTrouble, key: string | undefined): ServerTrouble =>
  key !== undefined && trouble.message.includes(key)
    ? new ServerTrouble(trouble.kind, trouble.code, trouble.message.replaceAll(key, "[key]"), trouble.headers)
    : trouble;

function troubleOf(error: unknown): ServerTrouble {
  if (error instanceof ServerTrouble) return error;
  const { cause } = (error ?? {}) as { cause?: unknown };
  if (cause instanceof ServerTrouble) return cause;
  if (error instanceof ProtocolError)
    return new ServerTrouble("refused", "mcp_error", `it answered with the error ${error.code}: ${error.message}`);
  const isTime = error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout;
  if (isTime || (error instanceof DOMException && error.name === "TimeoutError"))
    return new ServerTrouble("unreachable", "network", "it did not answer in time");
  // What the client can't make sense of is the server's doing; what it can't reach is the network's.
  if (error instanceof SdkError && error.code !== SdkErrorCode.ConnectionClosed)
    return new ServerTrouble("refused", "bad_answer", error.message);
  return new ServerTrouble("unreachable", "network", unreachedText(error));
}
