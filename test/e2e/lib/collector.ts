/**
 * A collector of traces on loopback: takes what OTLP/HTTP sends in JSON, by the official definitions, and answers as it is told.
 * A run's acts are played one a request, the last one again and again; without any, all is taken.
 */

import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { throughProtobuf } from "../../trace/lib/otlp-proto.ts";

export type Act = (response: ServerResponse) => void;

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
}

interface Received {
  readonly at: number;
  readonly run: string;
  readonly path: string;
  readonly key: string | undefined;
  readonly spans: readonly Span[];
}

export const answers =
  (status: number, headers: Record<string, string> = {}, body: string | object = {}): Act =>
  (response) =>
    response.writeHead(status, headers).end(typeof body === "string" ? body : JSON.stringify(body));

/** Nothing, ever. */
export const hangs: Act = () => {};

export class Collector {
  readonly requests: Received[] = [];
  readonly #acts = new Map<string, readonly Act[]>();
  readonly #server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { resourceSpans } = throughProtobuf(Buffer.concat(chunks).toString()) as {
      resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: Span[] }[] }[];
    };
    const { resource, scopeSpans } = resourceSpans[0]!;
    const run = resource.attributes.find(({ key }) => key === "heddle.run.id")?.value.stringValue ?? "";
    const key = request.headers["x-key"] as string | undefined;
    const before = this.of(run).length;
    this.requests.push({ at: Date.now(), run, path: request.url ?? "", key, spans: scopeSpans[0]!.spans });
    const acts = this.#acts.get(run) ?? [answers(200)];
    acts[Math.min(before, acts.length - 1)]!(response);
  });

  static async start(): Promise<Collector> {
    const collector = new Collector();
    await new Promise<void>((resolve) => collector.#server.listen(0, "127.0.0.1", resolve));
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  script(run: string, ...acts: Act[]): void {
    this.#acts.set(run, acts);
  }

  of(run: string): Received[] {
    return this.requests.filter((request) => request.run === run);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
