/**
 * A receiver of a run's webhook, which prints what it is told. It takes only what Heddle has signed (Standard Webhooks), and each
 * message once, however often it comes.
 *
 *   npx node examples/webhook-receiver.ts
 *
 * Listens on 127.0.0.1, at PORT (4001). The signing key is read from Heddle with HEDDLE_URL and HEDDLE_API_KEY; in production
 * keep it as a secret of the receiver's own.
 */

import { createServer } from "node:http";
import { Heddle, verifyWebhook } from "heddle";

const heddle = new Heddle({
  url: process.env.HEDDLE_URL ?? "http://127.0.0.1:8787",
  key: process.env.HEDDLE_API_KEY ?? "hdl_local",
});
const { secret } = await heddle.signingSecret();

/** In production this is a table. */
const seen = new Set<string>();

interface Message {
  type: string;
  data: { task?: { key: string | null }; result?: unknown };
}

createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  try {
    const { id, body: message } = await verifyWebhook<Message>({ headers: request.headers, body }, secret);
    // Answer first, work later: Heddle waits for fifteen seconds.
    response.writeHead(204).end();
    if (seen.has(id)) return;
    seen.add(id);
    const { type, data } = message;
    console.log([type, data.task?.key, data.result].filter((part) => part !== undefined).join(" "));
  } catch (error) {
    response.writeHead(401).end(String(error));
  }
}).listen(Number(process.env.PORT ?? 4001), "127.0.0.1", () => console.log("ready"));
