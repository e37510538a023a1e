/** The endpoint that all runs' webhooks name: it writes down what it takes, and now and then fails, hangs up, or takes one and does not say so. */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Random } from "../../test/sim/random.ts";
import type { History } from "../history.ts";

interface Message {
  readonly type: string;
  readonly data: { readonly run: { readonly id: string }; readonly event: { readonly seq: number } };
}

export class Receiver {
  readonly #server: Server;
  /** No failures any more. */
  isWell = false;

  private constructor(history: History, seed: number) {
    const random = new Random(seed + 2);
    this.#server = createServer(async (request, response) => {
      let text = "";
      try {
        for await (const chunk of request) text += chunk;
      } catch {
        // Its sender was killed.
        return;
      }
      const how = this.isWell || random.chance(0.8) ? "well" : random.pick(["busy", "gone away", "unheard"] as const);
      if (how === "busy") {
        response.writeHead(503).end("busy");
        return;
      }
      if (how === "gone away") {
        response.destroy();
        return;
      }
      const { type, data } = JSON.parse(text) as Message;
      const id = String(request.headers["webhook-id"]);
      history.receive({ run: data.run.id, id, seq: data.event.seq, type, text });
      if (how === "unheard") response.destroy();
      else response.writeHead(204).end();
    });
  }

  static async start(history: History, seed: number): Promise<Receiver> {
    const receiver = new Receiver(history, seed);
    await new Promise<void>((resolve) => receiver.#server.listen(0, "127.0.0.1", resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
