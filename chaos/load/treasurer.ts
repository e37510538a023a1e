/** One who keeps a run's budget in tokens: raises it when the run waits for it, and now and then before. */

import type { RunView } from "../../src/client/index.ts";
import type { Client } from "../client.ts";

/** Goes on until the run has ended. Each total that it asks for is another one. */
export async function treasurer(client: Client, run: string, begun: number): Promise<void> {
  let total = begun;
  for (let tries = 1; !client.over; tries++) {
    const view = await client.get<RunView>(`/v1/runs/${run}`);
    if (!view || (view.status !== "active" && view.status !== "paused")) return;
    const budget = async (tokens: number) => {
      const request = { method: "POST" as const, path: `/v1/runs/${run}/budget`, body: { tokens } };
      await client.ask(run, { kind: "budget", tokens }, request);
    };
    // Less than it has spent: refused, unless it has spent nothing yet.
    if (client.random.chance(0.05)) await budget(tries);
    if ((view.status === "paused" && view.reason === "budget") || client.random.chance(0.1)) {
      total += client.random.int(20_000, 120_000);
      await budget(total);
    }
    await client.pause(200, 900);
  }
}
