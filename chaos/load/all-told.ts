/** Waits until every run's webhook has told all that it had to tell. */

import type { EventsPage, RunsPage, WebhookView } from "../../src/client/index.ts";
import { typeTold } from "../check/webhooks.ts";
import type { Client } from "../client.ts";

/** What waits for another try has it now, as who has mended an endpoint says. */
export async function allTold(client: Client): Promise<void> {
  const { runs = [] } = (await client.get<RunsPage>("/v1/runs?limit=1000")) ?? {};
  for (const { id } of runs) {
    const path = `/v1/runs/${id}`;
    while (!client.over) {
      await client.once({ method: "POST", path: `${path}/webhook/replay`, body: { state: "retrying" } });
      const view = await client.get<WebhookView>(`${path}/webhook`);
      // A copy of a run has none.
      if (!view) break;
      const page = await client.get<EventsPage>(`${path}/events?limit=1000&after=${view.seq}`);
      const isLeft = page?.events.some((event) => typeTold(event) !== undefined) ?? true;
      if (view.counts.retrying === 0 && !isLeft) break;
      await client.pause(100, 300);
    }
  }
}
