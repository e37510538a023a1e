/** A run's webhook: where its events are told as they happen. */

import type { DeliveriesPage, WebhookTest, WebhookView } from "../replies.ts";
import type { DeliveriesQuery, ReplayRequest, WebhookSpec } from "../requests.ts";
import type { CallOptions } from "../transport.ts";
import { at } from "./calls.ts";
import { RunCalls } from "./run-calls.ts";

/** A run's webhook: where its events are told as they happen. */
export class WebhookCalls extends RunCalls {
  /** The run's webhook, and how its deliveries fare. @throws HeddleProblem `not_found` where it has none */
  webhook(run: string, options: CallOptions = {}): Promise<WebhookView> {
    return this.getJson(`${at(run)}/webhook`, {}, options);
  }
  /** Sets it, also in place of one, and turns on one that was turned off. It goes on with what had not been delivered. */
  setWebhook(run: string, webhook: WebhookSpec, options: CallOptions = {}): Promise<WebhookView> {
    return this.putJson(`${at(run)}/webhook`, webhook, options);
  }
  /** Takes it away; what was tried can still be listed. */
  async removeWebhook(run: string, options: CallOptions = {}): Promise<void> {
    await this.transport.remove(`${at(run)}/webhook`, options);
  }
  /** A page of messages that were tried, in the order of their events. */
  webhookDeliveries(run: string, query: DeliveriesQuery = {}, options: CallOptions = {}): Promise<DeliveriesPage> {
    return this.getJson(`${at(run)}/webhook/deliveries`, { ...query }, options);
  }
  /** Sends messages again that were tried: all, or of a state, or after an event. Answers how many. */
  replayWebhook(run: string, body: ReplayRequest = {}, options: CallOptions = {}): Promise<{ replayed: number }> {
    return this.postJson(`${at(run)}/webhook/replay`, body, options);
  }
  /** Sends one message again. @throws HeddleProblem `not_found` for one that was never tried */
  replayDelivery(run: string, message: string, options: CallOptions = {}): Promise<{ replayed: number }> {
    return this.postJson(`${at(run)}/webhook/deliveries/${encodeURIComponent(message)}/replay`, {}, options);
  }
  /** Sends a message `webhook.test` now, and says what the endpoint made of it. */
  testWebhook(run: string, options: CallOptions = {}): Promise<WebhookTest> {
    return this.postJson(`${at(run)}/webhook/test`, {}, options);
  }
}
