/** An event as a billing provider's meters take it: Stripe's `v1/billing/meter_events`, and its objects of version 2. */

import type { EventRow } from "../storage/d1/billing.ts";

type Told = Pick<EventRow, "identifier" | "hour" | "meter" | "model" | "value" | "customer">;

const payloadOf = ({ customer, value, model }: Told): Record<string, string> => ({
  stripe_customer_id: customer,
  value: String(value),
  ...(model !== "" && { model }),
});

/** As in version 2 of the API, and in lines of a file. */
export const meterEventOf = (event: Told) => ({
  event_name: event.meter,
  identifier: event.identifier,
  timestamp: new Date(event.hour).toISOString(),
  payload: payloadOf(event),
});

/** As a form, for version 1. */
export function formOf(event: Told): URLSearchParams {
  const form = new URLSearchParams({
    event_name: event.meter,
    identifier: event.identifier,
    timestamp: String(event.hour / 1000),
  });
  for (const [name, value] of Object.entries(payloadOf(event))) form.append(`payload[${name}]`, value);
  return form;
}
