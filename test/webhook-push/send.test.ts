/** What an endpoint's answer means when its text hangs, or breaks off behind the status. */

import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { webhookAnswerMs } from "../../src/limits.ts";
import { type Sent, send } from "../../src/webhook-push/send.ts";

async function sentTo(endpoint: RequestListener): Promise<Sent> {
  const server = createServer(endpoint);
  await once(server.listen(0, "127.0.0.1"), "listening");
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    const sender = { tenant: "ten_1", secret: "s".repeat(32), local: true };
    return await send(url, { id: "msg_1", body: "{}" }, sender);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

it("[WP3] is taken with its 2xx, though the text behind it never ends", async () => {
  const { taken, attempt } = await sentTo((_, response) => void response.writeHead(200).write("working on it"));
  expect([taken, attempt.status]).toEqual([true, 200]);
  expect(attempt.ms).toBeLessThan(webhookAnswerMs / 2);
});

it("[WP3] is taken with its 2xx, though the connection breaks behind it", async () => {
  const { taken, attempt } = await sentTo((_, response) => {
    response.writeHead(202, { "content-length": 100 });
    response.write("o", () => response.socket!.resetAndDestroy());
  });
  expect([taken, attempt.status]).toEqual([true, 202]);
});

it("keeps its status and when it is to be asked again, though the text breaks off", async () => {
  const cut = (status: number): RequestListener => {
    return (_, response) => {
      response.writeHead(status, { "content-length": 100, "retry-after": "7" });
      response.write("o", () => response.socket!.destroy());
    };
  };
  expect(await sentTo(cut(503))).toMatchObject({ taken: false, attempt: { status: 503 }, afterMs: 7000 });
  expect(await sentTo(cut(410))).toMatchObject({ taken: false, attempt: { status: 410 }, gone: true });
});
