/**
 * WebSockets at the door: who asks for one, with what, and how one that is refused learns why.
 *
 * Browsers can set no headers of a WebSocket, and a key in a URL would end up in logs. So the key, or a ticket, comes as one of
 * the subprotocols that the client offers, `heddle.bearer.…` beside `heddle.v1`; the answer names only the latter. A page can't
 * read the status of a refusal either: who offered `heddle.v1` is let in, told the problem, and closed with 4000 + its status.
 */

import type { FaultData } from "../errors/fault.ts";
import { closeCodeOf } from "../errors/problem-document.ts";
import type { RunSchedulerRpc } from "../objects/rpc.ts";
import { problemOf } from "./problem.ts";

const protocol = "heddle.v1";
const bearerPrefix = "heddle.bearer.";

export const isUpgrade = (request: Request): boolean =>
  request.method === "GET" && request.headers.get("upgrade")?.toLowerCase() === "websocket";

const offered = (request: Request): string[] =>
  (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());

const isOffered = (request: Request): boolean => offered(request).includes(protocol);

/** What the client brought in place of an authorization header; undefined where it brought none. */
export const socketToken = (request: Request): string | undefined =>
  isUpgrade(request)
    ? offered(request)
        .find((name) => name.startsWith(bearerPrefix))
        ?.slice(bearerPrefix.length)
    : undefined;

/** Whether a problem has to be told through the socket. */
export const toldBySocket = (request: Request): boolean => isUpgrade(request) && isOffered(request);

/** Lets the client in, to tell it the problem that its header said would be told so. */
export function refusedSocket(fault: FaultData): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  server.send(JSON.stringify({ problem: problemOf(fault, `urn:uuid:${crypto.randomUUID()}`) }));
  server.close(closeCodeOf(fault.code), fault.code);
  return switching(client, true);
}

/** The object's socket, handed on to the client. */
export const switching = (socket: WebSocket, named: boolean): Response =>
  new Response(null, {
    status: 101,
    webSocket: socket,
    ...(named && { headers: { "sec-websocket-protocol": protocol } }),
  });

/** A run's object as what takes watchers' sockets. */
export type TakesSockets = RunSchedulerRpc & { fetch(request: Request): Promise<Response> };
