/** Requests about questions: which are open, and what is answered to one. */

import * as z from "zod";
import * as limits from "../limits.ts";
import { pageQuery } from "./paging.ts";
import { fitsUtf8 } from "./utf8.ts";

export const questionsQuery = pageQuery.extend({
  tasks: z
    .string()
    .min(1)
    .transform((text) => text.split(","))
    .pipe(z.array(z.string().min(1).max(limits.nameCharsMax)).max(limits.waitTasksMax))
    .describe("Only those that hold up one of these tasks: ids or keys, with commas between.")
    .exactOptional(),
});

const variable = z
  .string()
  .min(1)
  .max(limits.nameCharsMax)
  .describe("Which one, where the task waits for several futures.")
  .exactOptional();
const reason = z
  .string()
  .min(1)
  .max(limits.reasonCharsMax)
  .refine((text) => text.isWellFormed(), "half of a surrogate pair stands alone")
  .exactOptional();

export const answerBody = z
  .discriminatedUnion(
    "action",
    [
      z.strictObject({
        action: z.literal("answer"),
        value: z
          .unknown()
          .refine((value) => value !== undefined, "required")
          .refine(
            (value) => fitsUtf8(JSON.stringify(value ?? null), limits.valueBytesMax),
            `at most ${limits.valueBytesMax} bytes as JSON`,
          )
          .describe("Any JSON: the future's value, or the message."),
        variable,
      }),
      z.strictObject({ action: z.literal("decline"), variable, reason }),
      z.strictObject({ action: z.literal("cancel"), reason }),
      z.strictObject({ action: z.literal("extend") }),
    ],
    "expected an object with the action answer, decline, cancel or extend",
  )
  .meta({ id: "Answer" });
