/**
 * A server on loopback for what Heddle sends out, as the world has them: now and then it fails, hangs up, or takes what it was
 * sent and does not say so.
 */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { verifyWebhook } from "../../src/client/index.ts";
import { Random } from "../../test/sim/random.ts";

/** What it was sent. */
export interface Sent {
  /** `webhook-id`. */
  readonly id: string;
  readonly text: string;
  readonly signed: boolean;
}

export class Flaky {
  readonly #server: Server;
  /** No failures any more. */
  isWell = false;

  /** `take` writes down what came, heard or not, and says what is answered; `fail` writes down what was not taken. */
  private constructor(seed: number, secret: string, take: (sent: Sent) => object, fail: (sent: Sent) => void) {
    const random = new Random(seed);
    this.#server = createServer(async (request, response) => {
      let text = "";
      try {
        for await (const chunk of request) text += chunk;
      } catch {
        // Its sender was killed.
        return;
      }
      const how = this.isWell || random.chance(0.8) ? "well" : random.pick(["busy", "gone away", "unheard"] as const);
      const signed = await verifyWebhook({ headers: request.headers, body: text }, secret).then(
        () => true,
        () => false,
      );
      const sent = { id: String(request.headers["webhook-id"]), text, signed };
      if (how === "busy" || how === "gone away") {
        fail(sent);
        if (how === "busy") response.writeHead(503).end("busy");
        else response.destroy();
        return;
      }
      const answer = take(sent);
      if (how === "unheard") response.destroy();
      else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  }

  static async start(
    seed: number,
    secret: string,
    take: (sent: Sent) => object,
    fail: (sent: Sent) => void = () => {},
  ): Promise<Flaky> {
    const flaky = new Flaky(seed, secret, take, fail);
    await new Promise<void>((resolve) => flaky.#server.listen(0, "127.0.0.1", resolve));
    return flaky;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
