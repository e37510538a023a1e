/** One who asks what the tenant has used while it is being used, and writes down what he is told of each run. */

import type { UsagePage } from "../../src/client/index.ts";
import type { Client } from "../client.ts";

export async function bookkeeper(client: Client): Promise<void> {
  while (!client.over) {
    await look(client);
    await client.pause(1000, 5000);
  }
}

/** What everything has used in the end: asked again until no run is left out. */
export async function closeBooks(client: Client): Promise<void> {
  while (!client.over && !(await look(client))) await client.pause(100, 300);
}

async function look(client: Client): Promise<boolean> {
  const page = (await client.once({ method: "GET", path: "/v1/usage?by=run&limit=1000" })) as UsagePage | undefined;
  if (page) client.history.use(page.usage);
  return page?.complete ?? false;
}
