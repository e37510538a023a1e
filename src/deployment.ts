/** What every entry module is made of: the HTTP door, the queue consumers, the cron sweep and the seat's direct door. */

import { WorkerEntrypoint } from "cloudflare:workers";
import { modelSourceOf } from "./agent/providers.ts";
import { serveSeat } from "./agent/seat.ts";
import { billUsage } from "./billing/push.ts";
import { pushTrace } from "./collector/push.ts";
import { parseBilling } from "./contract/billing.ts";
import { parseCollector } from "./contract/collector.ts";
import { faults } from "./errors/faults.ts";
import { createApp } from "./http/app.ts";
import type { AppOptions, HttpEnv } from "./http/env.ts";
import { meterRuns } from "./meter-runs.ts";
import { takeDeadLetters } from "./objects/dead-letters.ts";
import { type Env, runStub } from "./objects/env.ts";
import { expireRuns } from "./objects/retention.ts";
import { deadSeatsQueue, isTicket, type SeatTicket } from "./objects/seat-rpc.ts";
import { sweepRuns } from "./objects/sweep/sweep.ts";
import { sweepTenants } from "./objects/sweep-tenants.ts";
import type { ProviderSecrets } from "./served-by.ts";
import { pushWebhook } from "./webhook-push/push.ts";
import { send } from "./webhook-push/send.ts";

/** Serves a seat that a run opens by a direct call; see objects/seat-port.ts. */
export class SeatRunner extends WorkerEntrypoint<Env> {
  async serve(ticket: SeatTicket): Promise<void> {
    await serve(ticket, this.env);
  }
}

async function serve(ticket: SeatTicket, env: Env, byQueue = false): Promise<void> {
  const scheduler = () => runStub(env, ticket.tenant, ticket.run);
  if (ticket.webhook) {
    const { HEDDLE_SECRET: secret, HEDDLE_BOOT: boot } = env;
    const sender = { tenant: ticket.tenant, secret, local: boot !== undefined };
    return pushWebhook(ticket, scheduler, (url, message) => send(url, message, sender));
  }
  if (!ticket.trace) return serveSeat(ticket, scheduler, env, { byQueue });
  const found = parseCollector(env);
  if (found.ok && found.collector) await pushTrace(ticket, scheduler, found.collector);
}

/** Seats of a batch are served side by side; each is acknowledged whatever happens, since the run opens lost ones again. */
async function consume(batch: MessageBatch<unknown>, env: Env): Promise<void> {
  await Promise.all(
    batch.messages.map(async (message) => {
      const { body } = message;
      try {
        if (!isTicket(body)) throw new Error("the message is no ticket");
        await serve(body, env, true);
      } catch (error) {
        const run = isTicket(body) ? body.run : undefined;
        console.error(faults.seat_broke.log, { run, error: String(error) });
      }
      message.ack();
    }),
  );
}

/** One part that breaks off does not keep the others from their work. */
async function quietly(part: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    console.error("sweep failed", { part, error: String(error) });
  }
}

export function deployment(options: AppOptions = {}) {
  const app = createApp({
    ...options,
    models: (env) => {
      const secrets = env as ProviderSecrets;
      return { anthropic: modelSourceOf("anthropic", secrets), openai: modelSourceOf("openai", secrets) };
    },
    mcp: async (call) => (await import("./mcp/door.ts")).answerMcp(call),
  });
  return {
    fetch: (request, env, ctx) => app.fetch(request, env as unknown as HttpEnv, ctx),
    queue: (batch, env) => (batch.queue === deadSeatsQueue ? takeDeadLetters(batch, env) : consume(batch, env)),
    scheduled: async (_event, env) => {
      await sweepRuns(env);
      // What has been used first: what is deleted afterwards needs not wait for it.
      await quietly("usage", () => meterRuns(env.DB, ({ tenant, id }) => runStub(env, tenant, id).meter()));
      await quietly("billing", async () => {
        const found = parseBilling(env);
        if (!found.ok) throw new Error(found.message);
        await billUsage(env.DB, found.billing);
      });
      await quietly("retention", () => expireRuns(env));
      await quietly("tenants", () => sweepTenants(env));
    },
  } satisfies ExportedHandler<Env>;
}
