/** Rules in Markdown on the wire: the text, and what was understood of it. */

import * as z from "zod";
import { rulesCharsMax } from "../limits.ts";

/** What they mean, and which line is wrong, is not the schema's to say (src/rules). */
export const rulesText = z
  .string()
  .max(rulesCharsMax)
  .describe("Rules in Markdown: every bullet is one (docs/rules.md).");

export const rulesBody = z.strictObject({ rules: rulesText });

export const rulesCheckView = z
  .strictObject({
    rules: z.array(
      z.strictObject({
        line: z.int().describe("From 1."),
        rule: z.string().describe("As it was understood; in a bullet, it is the same rule again."),
      }),
    ),
    notes: z
      .array(z.strictObject({ line: z.int(), message: z.string() }))
      .describe("What is no error, and perhaps not meant."),
  })
  .meta({ id: "RulesCheck" });
