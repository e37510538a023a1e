/** A run's webhook: where its events are told as they happen, what was delivered, and what is sent again. */

import type * as z from "zod";
import { refusedAddress } from "../contract/tool-address.ts";
import { deliveriesQuery, replayBody, webhookBody } from "../contract/webhook-requests.ts";
import { deliveriesPage, replayed, webhookTest, webhookView } from "../contract/webhook-responses.ts";
import { Fault } from "../errors/fault.ts";
import { isRunId } from "../ids.ts";
import type { WebhookInput } from "../objects/rpc.ts";
import { send } from "../webhook-push/send.ts";
import { seqOf } from "../webhooks/message.ts";
import { usualChoices } from "../webhooks/types.ts";
import type { HttpEnv } from "./env.ts";
import { ask } from "./objects.ts";
import { keyRoute } from "./route.ts";
import { deploymentSecret } from "./secrets.ts";

const scopes = ["runs"] as const;
const path = "/v1/runs/:run/webhook";
const view = { status: 200, schema: webhookView } as const;

/** `at`: where the fields stand in the request. @throws Fault validation_failed, not_ready */
export function webhookInput(env: HttpEnv, { url, events }: z.output<typeof webhookBody>, at = ""): WebhookInput {
  const message = refusedAddress(url, { local: isLocal(env) });
  if (message !== undefined) throw new Fault("validation_failed", undefined, [{ path: `${at}url`, message }]);
  // Nothing could be signed without.
  deploymentSecret(env);
  return { url, events: [...new Set(events ?? usualChoices)] };
}

const isLocal = (env: HttpEnv): boolean => env.HEDDLE_BOOT !== undefined;

export const webhookRoutes = [
  keyRoute(
    scopes,
    { method: "GET", path, summary: "The run's webhook, and how its deliveries fare", answer: view },
    ({ theRun }) => ask(theRun().webhook()),
  ),

  keyRoute(
    scopes,
    {
      method: "PUT",
      path,
      summary: "Set the run's webhook, also to turn one on again",
      body: webhookBody,
      answer: view,
    },
    ({ theRun, env, body, idem }) => ask(theRun().setWebhook(webhookInput(env, body), idem)),
  ),

  keyRoute(
    scopes,
    { method: "DELETE", path, summary: "Take the run's webhook away", answer: { status: 204 } },
    ({ theRun }) => ask(theRun().removeWebhook()),
  ),

  keyRoute(
    scopes,
    {
      method: "GET",
      path: "/v1/runs/:run/webhook/deliveries",
      summary: "List messages that were tried, in the order of their events",
      query: deliveriesQuery,
      answer: { status: 200, schema: deliveriesPage },
    },
    async ({ theRun, query }) => {
      const { rows, nextCursor } = await ask(theRun().deliveries(query));
      return { deliveries: rows, next_cursor: nextCursor };
    },
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/webhook/replay",
      summary: "Send messages again that were tried",
      body: replayBody,
      answer: { status: 200, schema: replayed },
    },
    async ({ theRun, body, idem }) => ({
      replayed: await ask(theRun().replayDeliveries(body, idem)),
    }),
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/webhook/deliveries/:message/replay",
      summary: "Send one message again",
      answer: { status: 200, schema: replayed },
    },
    async ({ theRun, params, idem }) => {
      const seq = isRunId(params.run) ? seqOf(params.run, params.message) : undefined;
      if (seq === undefined) throw new Fault("not_found", "This run's webhook has tried no such message.");
      return { replayed: await ask(theRun().replayDeliveries({ seq }, idem)) };
    },
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/webhook/test",
      anew: true,
      summary: "Send a message `webhook.test` now, and say what came back",
      answer: { status: 200, schema: webhookTest },
    },
    async ({ theRun, env, tenant, params }) => {
      const url = await ask(theRun().webhookUrl());
      const id = `msg_test_${crypto.randomUUID()}`;
      const timestamp = new Date().toISOString();
      const body = JSON.stringify({ type: "webhook.test", timestamp, data: { run: { id: params.run } } });
      const sender = { tenant, secret: deploymentSecret(env), local: isLocal(env) };
      const { attempt, taken } = await send(url, { id, body }, sender);
      return { id, delivered: taken, ...attempt, why: attempt.why ?? null };
    },
  ),
];
