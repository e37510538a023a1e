/**
 * An endpoint that carries out a remote tool: `word_count`, which counts the words of a text. It takes only what Heddle has
 * signed (Standard Webhooks), and carries out each call once, however often it is asked.
 *
 *   npx node examples/tool-endpoint.ts
 *
 * Listens on 127.0.0.1, at PORT (4000). The signing key is read from Heddle with HEDDLE_URL and HEDDLE_API_KEY; in production
 * keep it as a secret of the endpoint's own.
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { Heddle } from "heddle";

const heddle = new Heddle({
  url: process.env.HEDDLE_URL ?? "http://127.0.0.1:8787",
  key: process.env.HEDDLE_API_KEY ?? "hdl_local",
});
const { secret } = await heddle.signingSecret();
const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
const toleranceS = 300;

/** Whether this body came from Heddle, just now. Any library for Standard Webhooks does the same. */
function isSigned(headers: IncomingHttpHeaders, body: string): boolean {
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": given } = headers;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > toleranceS) return false;
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest();
  return String(given)
    .split(" ")
    .filter((signature) => signature.startsWith("v1,"))
    .map((signature) => Buffer.from(signature.slice(3), "base64"))
    .some((signature) => signature.length === expected.length && timingSafeEqual(signature, expected));
}

/** Answers by webhook-id: a call that is sent again gets its first answer. In production this is a table. */
const answers = new Map<string, string>();

createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  if (!isSigned(request.headers, body)) {
    response.writeHead(401).end("not signed by Heddle");
    return;
  }
  const id = String(request.headers["webhook-id"]);
  let answer = answers.get(id);
  if (answer === undefined) {
    // Arguments are a model's words: check them before use.
    const { text } = (JSON.parse(body) as { arguments: { text?: unknown } }).arguments;
    answer = JSON.stringify(
      typeof text === "string"
        ? { result: { words: text.split(/\s+/).filter(Boolean).length } }
        : { result: "text must be a string", is_error: true },
    );
    answers.set(id, answer);
  }
  response.writeHead(200, { "content-type": "application/json" }).end(answer);
}).listen(Number(process.env.PORT ?? 4000), "127.0.0.1", () => console.log("word_count is ready"));
