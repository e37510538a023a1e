/** Readers of a run's log who join again where they were cut off, and write down each event as it comes. */

import { type EventView, Heddle, isProblem } from "../../src/client/index.ts";
import { serverEvents } from "../../src/client/sse.ts";
import type { Client } from "../client.ts";

/** With the typed client, over a WebSocket: joining again is its own work, but for one who hangs up. Resolves as `follow`. */
export async function watch(client: Client, run: string): Promise<void> {
  const followed = client.history.follow(client.name, run);
  const heddle = new Heddle({ url: client.url, key: client.key });
  while (!client.over) {
    const signal = AbortSignal.timeout(client.random.chance(0.5) ? client.random.int(100, 8000) : 30_000);
    followed.connections++;
    try {
      const after = followed.events.at(-1)?.seq ?? 0;
      for await (const { seq, type, at } of heddle.followEvents(run, { after }, { signal, transport: "websocket" }))
        followed.events.push({ seq, type, at });
      followed.ended = true;
      return;
    } catch (error) {
      if (isProblem(error, "not_found")) return;
    }
    await client.pause(50, 300);
  }
}

/** Over SSE, by hand. Resolves at the frame `end`, or when nothing is waited for any more. */
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
      // It was deleted; of one that was not, he has not seen the end.
      if (response.status === 404) return;
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
