/** The trace that bodies leave of their end, outside of the server under test: it outlives every `kill -9`. */

import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";

export class ExecLog {
  /** Ids in the order in which their bodies ended, with the time. */
  readonly ends: { readonly id: string; readonly at: number }[] = [];
  readonly #server: HttpServer;

  private constructor(server: HttpServer) {
    this.#server = server;
  }

  static async open(): Promise<ExecLog> {
    const server = createServer((request, reply) => {
      log.add(new URL(request.url ?? "/", "http://exec.log").searchParams.get("id") ?? "");
      reply.end();
    });
    const log = new ExecLog(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return log;
  }

  /** For bodies that are not in this process: a POST with `?id=`. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  add(id: string): void {
    this.ends.push({ id, at: performance.now() });
  }

  /** Ends of bodies beyond the first of each id. */
  get doubled(): number {
    return this.ends.length - new Set(this.ends.map(({ id }) => id)).size;
  }

  firstEndAfter(time: number): number | undefined {
    return this.ends.find(({ at }) => at > time)?.at;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
