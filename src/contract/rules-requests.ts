/** Rules in Markdown on the wire: the text, and what was understood of it. */

import * as z from "zod";
import { rulesCharsMax } from "../limits.ts";

/** What they mean, and which line is wrong, is not the schema's to say (src/rules). */
export const rulesText = z
  .string()
  .max(rulesCharsMax)
  .describe("Rules in Markdown: every bullet is one (docs/rules.md).");

export const rulesBody = z.strictObject({ rules: rulesText });

const understood = z.array(
  z.strictObject({
    line: z.int().describe("From 1."),
    rule: z.string().describe("As it was understood; in a bullet, it is the same rule again."),
  }),
);
const notes = z
  .array(z.strictObject({ line: z.int(), message: z.string() }))
  .describe("What is no error, and perhaps not meant.");

export const tenantRulesView = z
  .strictObject({
    text: z.string().describe("Markdown, as it was set; empty: there are none."),
    rules: understood,
    version: z.int().describe("One more with each change; 0: there never were any."),
    updated_at: z.int().nullable(),
    runs_behind: z
      .int()
      .describe("Live runs that are not held to them yet. Heddle goes on by itself, once a minute at least."),
    notes: notes.exactOptional(),
  })
  .meta({ id: "TenantRules" });

export const rulesTrialView = z
  .strictObject({
    as_of: z.int().describe("The event up to which the log was read."),
    rules: z.array(
      z.strictObject({
        line: z.int(),
        rule: z.string(),
        fired: z.int().describe("How often a rule with a condition would have fired."),
        tasks: z
          .int()
          .describe("Tasks that it would have kept waiting, not created, paused or failed at, or given another model."),
        first_at: z.int().nullable().describe("When it would have done something for the first time."),
      }),
    ),
  })
  .meta({ id: "RulesTrial" });

export const rulesCheckView = z
  .strictObject({
    rules: understood,
    notes,
  })
  .meta({ id: "RulesCheck" });
