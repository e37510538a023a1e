/** A run's whole log, and what it says of each task. */

import { expect } from "vitest";
import type { EventView } from "../../../src/client/index.ts";
import type { LocalServer } from "./server.ts";

/** Of a run of the server's, or of any tenant's by its client. */
export async function logOf({ heddle }: Pick<LocalServer, "heddle">, run: string): Promise<EventView[]> {
  const events: EventView[] = [];
  for (let after = 0; ; ) {
    const page = await heddle.events(run, { after, limit: 1000 });
    events.push(...page.events);
    if (page.next_cursor === null) break;
    after = Number(page.next_cursor);
  }
  // Nothing is missing and nothing is there twice.
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
  return events;
}

export const eventsOf = (events: readonly EventView[], type: string, task?: string): EventView[] =>
  events.filter((event) => event.type === type && (task === undefined || event.task === task));

/** Polls until `look` answers something. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  look: () => Promise<T | undefined | false>,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
