/**
 * Errors of the platform, told apart from those of our own code by the marks and words that Cloudflare gives them; and what is ours
 * and yet no bug: that stored things are newer than the code. Of an error that crosses a call only these and its message arrive.
 */

import { type FaultWith, faults } from "./faults.ts";
import { newerMark } from "./newer.ts";

/** What a rejected call of a Durable Object or of D1 can be. */
export type PlatformFault = Exclude<
  FaultWith<{ readonly at: "platform" }>,
  "queue_refused" | "seat_broke" | "seat_undelivered" | "internal"
>;

/** The class of what a call of the platform was rejected with; undefined for a bug: what an object's own code has thrown. */
export function platformFaultOf(error: unknown): PlatformFault | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const marks = error as { overloaded?: boolean; retryable?: boolean; durableObjectReset?: boolean; message?: unknown };
  // An overloaded object's error may be marked as retryable as well: not now, that means.
  if (marks.overloaded) return "object_overloaded";
  if (marks.retryable || marks.durableObjectReset) return "object_unavailable";
  const message = String(marks.message);
  if (message.includes(newerMark)) return "storage_newer";
  if (/limited to 32\s?MiB/i.test(message)) return "call_too_large";
  return /\bD1(_\w*ERROR)?\b/.test(message) && passing.test(message) ? "database_unavailable" : undefined;
}

/** What its caller is told: of our own words the error's, which name versions; of the platform's only what they mean. */
export const platformDetail = (fault: PlatformFault, error: unknown): string =>
  fault === "storage_newer" ? (error as Error).message : faults[fault].what;

/** Of D1's errors those that say nothing about the statement. */
const passing =
  /network connection lost|is overloaded|queued for too long|to be reset|reset because|transient issue|starting up|exceeded timeout/i;
