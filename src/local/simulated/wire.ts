/** What a vendor's wire format makes of a reply and of an error. */

import type { SimulatedReply } from "./reply.ts";

export interface Wire {
  /** The whole reply as one JSON body. */
  body(reply: SimulatedReply, request: Readonly<Record<string, unknown>>): unknown;
  /** The reply as server-sent events, each a whole one with its blank line. */
  events(reply: SimulatedReply, request: Readonly<Record<string, unknown>>): string[];
  /** What keeps a stream alive and says nothing. */
  readonly ping: string;
  error(status: number, message: string): unknown;
  /** The vendor's words, with status 400, for a prompt of so many tokens. */
  tooLong(tokens: number, window: number): unknown;
  models(ids: readonly string[]): unknown;
  /** The name of the header with the request's id. */
  readonly requestIdHeader: string;
  /** What is missing in the request besides messages; undefined when nothing is. */
  missing(request: Readonly<Record<string, unknown>>): string | undefined;
}
