/** Waits for a run to come to rest. */

import type { TaskView, WaitView } from "../../src/client/index.ts";
import type { Client } from "../client.ts";
import { isEnded } from "../history.ts";

/** Long polls until nothing of the run is live. */
export async function settled(client: Client, run: string): Promise<void> {
  while (!client.over) {
    const body = { mode: "settled", timeout_ms: 5000 };
    const request = { method: "POST", path: `/v1/runs/${run}/wait`, body, waitMs: 5000 } as const;
    const view = (await client.once(request)) as WaitView | undefined;
    if (view?.done) break;
    await client.pause(100, 300);
  }
  const page = await client.get<{ tasks: TaskView[] }>(`/v1/runs/${run}/tasks?limit=1000`);
  client.history.see(
    client.name,
    run,
    (page?.tasks ?? []).filter(({ state }) => isEnded(state)),
  );
}
