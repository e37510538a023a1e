/** Requests about a run's webhook. */

import * as z from "zod";
import * as limits from "../limits.ts";
import { webhookTypes, webhookWildcards } from "../webhooks/types.ts";
import { pageQuery } from "./paging.ts";

export const webhookChoice = z.enum([...webhookTypes, ...webhookWildcards]);

export const webhookBody = z
  .strictObject({
    url: z
      .string()
      .min(1)
      .max(limits.toolUrlCharsMax)
      .describe(
        "Where messages are posted: https, and a public address; where Heddle runs on your own machine also http and that machine.",
      ),
    events: z
      .array(webhookChoice)
      .min(1)
      .max(limits.webhookChoicesMax)
      .describe("Of what they tell. Default: `run.*` and the ends of tasks.")
      .exactOptional(),
  })
  .meta({ id: "Webhook" });

const deliveryStates = ["delivered", "retrying", "failed"] as const;

export const deliveriesQuery = pageQuery.extend({
  state: z.enum(deliveryStates).describe("Only those.").exactOptional(),
});

export const replayBody = z.strictObject({
  after: z.int().min(0).describe("Only messages of events with a greater seq.").default(0),
  state: z
    .enum(deliveryStates)
    .describe("Only those, `retrying` ones at once; default: all that were tried.")
    .exactOptional(),
});
