/** Serves a fetch handler on loopback, over real HTTP, and keeps what was asked of it. */

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import { handleSimulated } from "../../../src/local/simulated/handle.ts";

export interface Asked {
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
  /** Set when the client went away before its answer was whole. */
  aborted: boolean;
}

export interface Served {
  readonly url: string;
  readonly asked: Asked[];
  close(): Promise<void>;
}

export async function serve(handle: (request: Request) => Promise<Response>): Promise<Served> {
  const asked: Asked[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const body = await read(incoming);
    const headers = new Headers(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]));
    const entry: Asked = { path: incoming.url ?? "", headers, body, aborted: false };
    asked.push(entry);
    const gone = new AbortController();
    outgoing.on("close", () => {
      if (outgoing.writableFinished) return;
      entry.aborted = true;
      gone.abort();
    });
    const method = incoming.method ?? "GET";
    const init = { method, headers, signal: gone.signal, ...(method === "POST" && { body }) };
    const response = await handle(new Request(`http://${incoming.headers.host}${incoming.url}`, init));
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    if (!response.body) return outgoing.end();
    const source = Readable.fromWeb(response.body as unknown as NodeReadableStream);
    source.on("error", () => outgoing.destroy());
    outgoing.on("close", () => source.destroy());
    source.pipe(outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function read(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

/** The simulated model with a counter in memory; one kept over two servers is what a restart keeps. */
export function serveSimulated(seen = new Map<string, number>()): Promise<Served> {
  return serve((request) =>
    handleSimulated(request, {
      next: async (key) => {
        const before = seen.get(key) ?? 0;
        seen.set(key, before + 1);
        return before;
      },
    }),
  );
}

/** A stream of ready-made server-sent events; `cut` breaks the connection after them. */
export function sse(events: readonly string[], { cut = false } = {}): Response {
  const encoder = new TextEncoder();
  let next = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const event = events[next++];
      if (event !== undefined) controller.enqueue(encoder.encode(event));
      else if (cut) controller.error(new Error("cut"));
      else controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}
