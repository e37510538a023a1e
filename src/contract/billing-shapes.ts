/** Shapes of billing, as types alone: the published client has them, and must not need zod for it. */

/** waiting: still to be sent; sent: the provider has it; refused: the operator is asked. */
export type EventState = "waiting" | "sent" | "refused";

/** To whom a tenant's usage is billed. */
export interface BillingRequest {
  /** The provider's id of the tenant, as cus_…. */
  customer: string;
  /** From this hour on, in epoch ms or a time in UTC; default: the present one, or what was set before. */
  since?: string;
}

/** To whom a tenant's usage is billed, and how far it is. */
export interface BillingView {
  tenant: string;
  /** null: the tenant is not billed. */
  customer: string | null;
  since: number | null;
  events: { waiting: number; sent: number; refused: number };
}

/** What the provider is sent, and what became of it. */
export interface MeterEventView {
  event_name: string;
  /** By which the provider knows a repeat. */
  identifier: string;
  /** The hour in which it was used. */
  timestamp: string;
  payload: Record<string, string>;
  tenant: string;
  state: EventState;
  tries: number;
  sent_at: number | null;
  error: string | null;
}

/** A page of them. */
export interface MeterEventsPage {
  events: MeterEventView[];
  next_cursor: string | null;
}

/** What one pass did. */
export interface BillingPushView {
  /** false: no provider is configured; events were made, and not sent. */
  configured: boolean;
  created: number;
  sent: number;
  refused: number;
  /** Left to send. */
  waiting: number;
  /** Why the provider can't be sent to at present. */
  error: string | null;
}
