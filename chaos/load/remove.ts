/** One who deletes a run, as a rule with somebody at work on it. */

import type { Client } from "../client.ts";
import { eventsOf } from "../find.ts";

/** `isLive`: its log may go on until it is gone. Else half of them don't ask again: what was begun is Heddle's to finish. */
export async function remove(client: Client, run: string, isLive: boolean): Promise<void> {
  client.history.delete({ run, isLive, events: await eventsOf(client, run) });
  const isPatient = isLive || client.random.chance(0.5);
  await client.ask(run, { kind: "delete" }, { method: "DELETE", path: `/v1/runs/${run}` }, { isPatient });
}
