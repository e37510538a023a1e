/** What can be had of a model, or of seats, in a line. */

import type { AvailabilityView } from "../../contract/shapes.ts";
import { duration } from "../../duration.ts";
import { oneLine } from "../plain-text.ts";

const words: Readonly<Record<NonNullable<AvailabilityView["why"]>, string>> = {
  rate_limited: "its rate limit",
  overloaded: "overload",
  timed_out: "timeouts",
  seats_late: "seats opened late",
  leases_lost: "leases were lost",
  object_slow: "the run's object is slow",
};

export function availabilityLine(view: AvailabilityView, now = Date.now()): string {
  const { model, limit, runs, in_flight: inFlight, calls, refused, why, closed_until: until, gap_ms: gap, left } = view;
  const parts = [
    `${inFlight} under way of ${limit ?? "any number"}`,
    runs > 1 && `shared by ${runs} runs`,
    refused > 0 && why !== null && `${refused} of ${calls} refused, last by ${words[why]}`,
    until !== null && until > now && `closed for ${duration(until - now)}`,
    gap !== null && `one each ${duration(gap)}`,
    left === 0 && "nothing left of its rate",
  ];
  return `${model === null ? "seats" : oneLine(model)}: ${parts.filter(Boolean).join(", ")}`;
}
