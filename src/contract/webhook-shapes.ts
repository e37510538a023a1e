/** Shapes of webhooks, as types alone: the published client has them, and must not need zod for it. */

import type { WebhookChoice, WebhookType } from "../webhooks/types.ts";

export type { WebhookChoice, WebhookType } from "../webhooks/types.ts";

/** Where a run's messages go, and of what they tell. */
export interface WebhookSpec {
  /** https, and public; on one's own machine also http and that machine. */
  url: string;
  /** Types, `run.*` and `task.*`; default: `run.*` and the ends of tasks. */
  events?: WebhookChoice[];
}

/** A run's webhook. */
export interface WebhookView {
  /** Without the values of its query, which may hold a secret. */
  url: string;
  events: WebhookChoice[];
  /** `away`: its endpoint takes nothing now; `off`: it is asked no more, until the webhook is set again. */
  state: "on" | "away" | "off";
  /** Of one that is off: the endpoint answered 410, or has taken nothing for two days. */
  reason: "gone" | "given_up" | null;
  /** Of one that is away. */
  away: { since: number; tries: number; next_at: number } | null;
  /** Messages that were tried. */
  counts: { delivered: number; retrying: number; failed: number };
  /** Messages of events up to this one were tried, or not chosen. */
  seq: number;
  set_at: number;
}

/** One try at a message. */
export interface WebhookAttempt {
  at: number;
  ms: number;
  /** What the endpoint answered; null: nothing. */
  status: number | null;
  /** Why it was not taken; null: it was. */
  why: string | null;
}

/** A message that was tried. */
export interface DeliveryView {
  /** Its `webhook-id`, the same in every attempt. */
  id: string;
  /** The event that it tells of. */
  seq: number;
  type: WebhookType;
  state: "delivered" | "retrying" | "failed";
  tries: number;
  /** The last ten. */
  attempts: WebhookAttempt[];
  /** When it is tried again; null: it is not. */
  next_at: number | null;
}

/** A page of messages that were tried, in the order of their events. */
export interface DeliveriesPage {
  deliveries: DeliveryView[];
  next_cursor: string | null;
}

/** What an endpoint made of a test message. */
export interface WebhookTest extends WebhookAttempt {
  id: string;
  delivered: boolean;
}
