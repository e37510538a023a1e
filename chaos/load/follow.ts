/** A reader of a run's log who joins again where he was cut off, and writes down each event as it comes. */

import type { EventView } from "../../src/client/index.ts";
import { serverEvents } from "../../src/client/sse.ts";
import type { Client } from "../client.ts";

/** Resolves at the frame `end`, or when nothing is waited for any more. */
export async function follow(client: Client, run: string): Promise<void> {
  const followed = client.history.follow(client.name, run);
  while (!client.over) {
    const last = followed.events.at(-1)?.seq;
    // The reader hangs up too, now and then.
    const cut = client.random.chance(0.3) ? client.random.int(100, 3000) : 30_000;
    const signal = AbortSignal.timeout(cut);
    followed.connections++;
    try {
      const response = await fetch(`${client.url}/v1/runs/${run}/events`, {
        headers: {
          ...client.headers,
          accept: "text/event-stream",
          ...(last !== undefined && { "last-event-id": String(last) }),
        },
        signal,
      });
      if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
      for await (const { id, event, data } of serverEvents(response.body)) {
        if (event === "end") {
          followed.ended = true;
          return;
        }
        if (id === undefined) continue;
        const { seq, type, at } = JSON.parse(data) as EventView;
        followed.events.push({ seq, type, at });
      }
    } catch {
      // Cut off: it joins again below.
    }
    await client.pause(50, 300);
  }
}
