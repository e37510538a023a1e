/**
 * The route of the Model Context Protocol: who asks, what the message is, and how it reaches everything else.
 *
 * M1. A message reaches runs through the table of routes alone, as the request that it stands for: with the same bearer, validation,
 *     admission and quotas. This route itself knows no run.
 * M2. A page can't speak here: one of another origin is refused, wherever this is served.
 * M3. What a message stands for is let in as such; the message itself only while it is read.
 */

import * as z from "zod";
import { type McpBearer, mcpQuery } from "../contract/mcp-tools.ts";
import { assert } from "../errors/assert.ts";
import { Fault } from "../errors/fault.ts";
import { bearerOf, holderOf } from "./access.ts";
import { entryOf, type Visit } from "./admission.ts";
import { readBody, readQuery } from "./body.ts";
import { heldLease } from "./lease-holder.ts";
import { problemResponse } from "./problem.ts";
import type { Exchange, Route } from "./route.ts";

type Method = Route["method"];

/** A request of the HTTP API. */
export interface Ask {
  readonly method: Method;
  /** As the table of routes has it. */
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body?: string;
  /** With it a repeat of this very request, where an object was away, is harmless. */
  readonly idempotencyKey?: string;
}

/** What the API answered. */
export interface Answered {
  readonly ok: boolean;
  /** JSON text, mostly; of what is not ok, a problem's. */
  readonly text: string;
}

/** A message that was let in and read. */
export interface McpCall {
  readonly request: Request;
  readonly message: object;
  /** The message as it was received. */
  readonly text: string;
  readonly bearer: McpBearer;
  /** The bearer itself, where it is a lease, and its run. */
  readonly lease?: { readonly id: string; readonly run: string };
  readonly options: z.output<typeof mcpQuery>;
  readonly ask: (request: Ask) => Promise<Answered>;
  readonly later: Exchange["later"];
}

const scopes = ["runs"] as const;
const access = { kind: "key", scopes } as const;
const answer = { status: 200, contentType: "application/json", stream: true } as const;
const summary = "Messages of the Model Context Protocol (streamable HTTP)";

export const mcpRoute = (routes: () => readonly Route[]): Route => ({
  ...{ method: "POST", path: "/mcp", summary, access, answer, hidden: true },
  run: async (exchange) => {
    const { door, request, options, later } = exchange;
    requireOwnPage(exchange);
    const read = await door.admit(
      entryOf({ method: "POST", path: "/mcp", access }, request.headers),
      request,
      (visit) => readMessage(exchange, visit),
    );
    if (!options.mcp) throw new Fault("not_available", "this entry does not serve MCP");
    return options.mcp({ ...read, request, later, ask: (asked) => askRoute(routes(), exchange, asked) });
  },
});

type Read = Omit<McpCall, "request" | "later" | "ask">;

async function readMessage(exchange: Exchange, visit: Visit): Promise<Read> {
  const { request, url, env } = exchange;
  const token = bearerOf(request);
  const lease = token.startsWith("lse_") ? await heldLease(env, token) : undefined;
  const holder = lease ? { tenant: lease.claim.tenant } : await holderOf(exchange, scopes);
  const options = readQuery(url, mcpQuery);
  const { value: message, text } = await readBody(request, z.looseObject({}), visit.place);
  // What stands for a request is counted as that one.
  if (!standsForRequest(message.method)) visit.of(holder.tenant, "quotas" in holder ? holder.quotas : {});
  return {
    ...{ message, text, options, bearer: lease ? "lease" : "key" },
    ...(lease && { lease: { id: token, run: lease.claim.run } }),
  };
}

const asking: ReadonlySet<unknown> = new Set([
  ...["tools/call", "resources/list", "resources/read", "tasks/get", "tasks/update", "tasks/cancel"],
]);
const standsForRequest = (method: unknown): boolean => asking.has(method);

/** An entry that names its hosts has looked at the origin already (headers.ts). @throws Fault foreign_origin */
function requireOwnPage({ request, url, options }: Exchange): void {
  const origin = request.headers.get("origin");
  if (origin === null || options.hosts) return;
  if (URL.canParse(origin) && new URL(origin).hostname === url.hostname) return;
  throw new Fault("foreign_origin", "pages of other origins can't speak to this server");
}

async function askRoute(
  routes: readonly Route[],
  exchange: Exchange,
  { method, path, params = {}, query = {}, body, idempotencyKey }: Ask,
): Promise<Answered> {
  const route = routes.find((one) => one.method === method && one.path === path);
  assert(route !== undefined, `${method} ${path} is a route`);
  const url = new URL(
    // JSON can name what no address can: half of a character. The route looks for it as it was named, and finds nothing.
    path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent((params[name] ?? "").toWellFormed())),
    exchange.url,
  );
  url.search = new URLSearchParams(query).toString();
  const bytes = body === undefined ? undefined : new TextEncoder().encode(body);
  const request = new Request(url, {
    method,
    ...(bytes && { body: bytes }),
    headers: {
      authorization: exchange.request.headers.get("authorization") ?? "",
      ...(bytes && { "content-type": "application/json", "content-length": String(bytes.length) }),
      ...(idempotencyKey !== undefined && { "idempotency-key": idempotencyKey }),
    },
    signal: exchange.request.signal,
  });
  let response: Response;
  try {
    response = await route.run({ ...exchange, request, url, params });
  } catch (error) {
    response = problemResponse(error);
  }
  return { ok: response.ok, text: await response.text() };
}
