/** Where a run's events are told as they happen. */

import { everyRow } from "../every-row.ts";
import type { Heddle } from "../heddle.ts";
import type { DeliveryView, WebhookTest, WebhookView } from "../replies.ts";
import type { DeliveriesQuery, ReplayRequest, WebhookSpec } from "../requests.ts";
import type { CallOptions } from "../transport.ts";

/** Where a run's events are told as they happen. */
export class Webhook {
  readonly #heddle: Heddle;
  readonly #run: string;

  constructor(heddle: Heddle, run: string) {
    this.#heddle = heddle;
    this.#run = run;
  }

  /** How its deliveries fare. @throws HeddleProblem `not_found` where the run has none */
  view(options: CallOptions = {}): Promise<WebhookView> {
    return this.#heddle.webhook(this.#run, options);
  }
  /** Sets it, and turns on one that was turned off. */
  set(webhook: WebhookSpec, options: CallOptions = {}): Promise<WebhookView> {
    return this.#heddle.setWebhook(this.#run, webhook, options);
  }
  /** Takes it away. */
  remove(options: CallOptions = {}): Promise<void> {
    return this.#heddle.removeWebhook(this.#run, options);
  }
  /** Messages that were tried, in the order of their events. */
  deliveries(
    query: Omit<DeliveriesQuery, "cursor"> = {},
    options: CallOptions = {},
  ): AsyncGenerator<DeliveryView, void, void> {
    return everyRow(
      (at) => this.#heddle.webhookDeliveries(this.#run, { ...query, ...at }, options),
      ({ deliveries }) => deliveries,
    );
  }
  /** Sends one message again by its id, or those that were tried: all, or of a state, or after an event. Answers how many. */
  async replay(what: string | ReplayRequest = {}, options: CallOptions = {}): Promise<number> {
    const { replayed } = await (typeof what === "string"
      ? this.#heddle.replayDelivery(this.#run, what, options)
      : this.#heddle.replayWebhook(this.#run, what, options));
    return replayed;
  }
  /** Sends a message `webhook.test` now, and says what the endpoint made of it. */
  test(options: CallOptions = {}): Promise<WebhookTest> {
    return this.#heddle.testWebhook(this.#run, options);
  }
}
