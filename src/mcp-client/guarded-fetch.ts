/**
 * How an MCP server is spoken to, by the official client: each of its requests goes through here.
 *
 * G1. Requests go to the one address that the run names, if that may be called; wherever else the client would like to go (what a server
 *     says about its authorization) it does not. No redirect is followed.
 * G2. The key is put on here and nowhere else, so it is in no message, error or log of the client.
 * G3. An answer over its bound is not read on.
 */

import { refusedAddress } from "../contract/tool-address.ts";
import { mcpAnswerBytesMax } from "../limits.ts";
import { ServerTrouble } from "./trouble.ts";

export interface ServerAddress {
  readonly url: string;
  readonly key?: string;
  /** On one's own machine. */
  readonly local: boolean;
}

const busyStatuses = new Set([408, 425, 429]);

export interface Spoken {
  /** A call was sent: it may have been carried out, whatever came back. */
  called: boolean;
  /** The first thing that went wrong on the way, which the client would tell in its own words. */
  trouble?: ServerTrouble;
}

type Fetch = (input: string | URL, init?: RequestInit) => Promise<Response>;

export const guardedFetch =
  (address: ServerAddress, spoken: Spoken): Fetch =>
  async (input, init) => {
    try {
      return await send(address, spoken, new URL(input), init ?? {});
    } catch (error) {
      if (error instanceof ServerTrouble) spoken.trouble ??= error;
      throw error;
    }
  };

async function send(address: ServerAddress, spoken: Spoken, url: URL, init: RequestInit): Promise<Response> {
  const why = refusedAddress(url.href, address);
  if (why !== undefined) throw new ServerTrouble("refused", "address_refused", why);
  if (url.href !== new URL(address.url).href) return new Response(null, { status: 404 });
  // The stream in which a server would speak by itself: nobody here would listen.
  if (init.method === "GET") return new Response(null, { status: 405 });
  if (typeof init.body === "string" && /"method"\s*:\s*"tools\/call"/.test(init.body)) spoken.called = true;
  const headers = new Headers(init.headers);
  headers.set("user-agent", "heddle");
  if (address.key !== undefined) headers.set("authorization", `Bearer ${address.key}`);
  const response = await fetch(url, { ...init, headers, redirect: "manual" });
  const { status } = response;
  if (status >= 300 && status < 400)
    throw new ServerTrouble("refused", "http_status", `it answered ${status}, and redirects are not followed`);
  if (status === 401 || status === 403)
    throw new ServerTrouble("refused", "unauthorized", `it answered ${status}: the credential is missing or wrong`);
  if (status >= 500 || busyStatuses.has(status))
    throw new ServerTrouble("busy", "http_status", `it answered ${status}`, response.headers);
  return new Response(response.body && capped(response.body), { status, headers: response.headers });
}

function capped(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  let bytes = 0;
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.byteLength;
        if (bytes > mcpAnswerBytesMax)
          controller.error(new ServerTrouble("refused", "bad_answer", `its answer is over ${mcpAnswerBytesMax} bytes`));
        else controller.enqueue(chunk);
      },
    }),
  );
}
