/** A push of messages to a run's webhook, in a queue consumer or, locally, in a direct call. */

import { webhookLanes } from "../limits.ts";
import type { SeatRpc, SeatTicket, WebhookMessage, WebhookWork } from "../objects/seat-rpc.ts";
import type { Outcome } from "../webhooks/delivery.ts";
import type { Sent } from "./send.ts";

type Send = (url: string, message: WebhookMessage) => Promise<Sent>;

/** `send` never throws. Throws only when the run's object can't be reached: it then sends another ticket. */
export async function pushWebhook(
  { nonce }: SeatTicket,
  scheduler: () => Pick<SeatRpc, "openWebhook" | "reportWebhook">,
  send: Send,
): Promise<void> {
  let work = await scheduler().openWebhook(nonce);
  while (work) work = await scheduler().reportWebhook(nonce, await sendAll(work, send));
}

/** Some at a time; in the order of the messages. */
async function sendAll({ url, messages }: WebhookWork, send: Send): Promise<Outcome[]> {
  const outcomes = new Map<number, Outcome>();
  const left = messages.values();
  const lane = async () => {
    for (const message of left) outcomes.set(message.seq, { seq: message.seq, ...(await send(url, message)) });
  };
  await Promise.all(Array.from({ length: webhookLanes }, lane));
  return messages.map(({ seq }) => outcomes.get(seq)!);
}
