/**
 * How an MCP server is spoken to, by the official client: each of its requests goes through here.
 *
 * G1. Requests go to the one address that the run names, if that may be called; wherever else the client would like to go (what a server
 *     says about its authorization) it does not. No redirect is followed.
 * G2. The key is put on here and nowhere else, so it is in no message, error or log of the client.
 * G3. An answer over its bound is not read on: of bytes, and of values, each of which the client looks at, and says what is wrong with it.
 */

import { refusedAddress } from "../contract/tool-address.ts";
import { mcpAnswerBytesMax, mcpListValuesMax, mcpResultValuesMax } from "../limits.ts";
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
  const isCall = typeof init.body === "string" && /"method"\s*:\s*"tools\/call"/.test(init.body);
  if (isCall) spoken.called = true;
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
  const valuesMax = isCall ? mcpResultValuesMax : mcpListValuesMax;
  return new Response(response.body && capped(response.body, valuesMax, spoken), { status, headers: response.headers });
}

/** Of a stream of events that breaks off the client says nothing, so `spoken` does. */
function capped(body: ReadableStream<Uint8Array>, valuesMax: number, spoken: Spoken): ReadableStream<Uint8Array> {
  let bytes = 0;
  const values = new ValueCount();
  const why = (chunk: Uint8Array) => {
    bytes += chunk.byteLength;
    if (bytes > mcpAnswerBytesMax) return `its answer is over ${mcpAnswerBytesMax} bytes`;
    return values.add(chunk) > valuesMax ? `its answer has over ${valuesMax} values` : undefined;
  };
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        const over = why(chunk);
        if (over === undefined) return controller.enqueue(chunk);
        spoken.trouble ??= new ServerTrouble("refused", "bad_answer", over);
        controller.error(spoken.trouble);
      },
    }),
  );
}

/** How many values JSON has, as it comes, alone or in the events of a stream: lists, objects, and whatever a comma parts from a neighbour. */
class ValueCount {
  #count = 0;
  #inString = false;
  #isEscaped = false;

  add(chunk: Uint8Array): number {
    for (const byte of chunk) {
      // No string has a bare line end, so whatever a stream says around its events does not turn inside and outside about.
      if (byte === lineEnd || byte === carriage) this.#inString = false;
      if (this.#isEscaped) this.#isEscaped = false;
      else if (this.#inString && byte === backslash) this.#isEscaped = true;
      else if (byte === quote) this.#inString = !this.#inString;
      else if (!this.#inString && (byte === comma || byte === brace || byte === bracket)) this.#count++;
    }
    return this.#count;
  }
}

const [lineEnd, carriage, backslash, quote, comma, brace, bracket] = [...'\n\r\\",{['].map((char) =>
  char.charCodeAt(0),
);
