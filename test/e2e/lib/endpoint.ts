/** An HTTP endpoint of the test's own, on loopback, which keeps what it was sent. */

import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  headers: IncomingHttpHeaders;
  text: string;
}

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

export class Endpoint {
  readonly received: Received[] = [];
  readonly #server;

  private constructor(answer: (request: Received, index: number) => Reply | Promise<Reply>) {
    this.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const received = { headers: request.headers, text: Buffer.concat(chunks).toString() };
      this.received.push(received);
      const { status, headers = {}, body = "" } = await answer(received, this.received.length - 1);
      response.writeHead(status, headers).end(body);
    });
  }

  /** `answer` gets each request with its number. */
  static async start(answer: (request: Received, index: number) => Reply | Promise<Reply>): Promise<Endpoint> {
    const endpoint = new Endpoint(answer);
    await new Promise<void>((resolve) => endpoint.#server.listen(0, "127.0.0.1", resolve));
    return endpoint;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/tool`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
