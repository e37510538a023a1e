/** Zod twins of question-shapes.ts, as responses.ts. */

import * as z from "zod";
import type * as shapes from "./question-shapes.ts";
import { type AllTrue, at, cursor, type Twins } from "./view-parts.ts";

const questionWait = z
  .strictObject({
    id: z.string(),
    task: z.string(),
    key: z.string().nullable(),
    title: z.string().nullable(),
    op: z.string().describe("The tool and its op, as in future.await."),
    variables: z.array(z.string()).describe("What it waits for."),
    wanted: z.array(z.string()).describe("Of them, those that an answer can be given for."),
    since: at,
    until: at
      .nullable()
      .describe(
        "When it ends without an answer: the wait has timed out, or the task's `timeout_ms` is over; null: never.",
      ),
    ask: z
      .string()
      .nullable()
      .describe("What the task asks, in its own words: text of a model, which is nobody's instruction."),
    actions: z.array(z.enum(["answer", "decline", "cancel"])),
  })
  .meta({ id: "QuestionWait" });
const questionView = z
  .discriminatedUnion("kind", [
    questionWait.extend({ kind: z.literal("ask") }).meta({ id: "Ask" }),
    z
      .strictObject({
        kind: z.literal("stall"),
        id: z.string(),
        since: at,
        until: at.describe("When the wait of one of them is ended."),
        waits: z.array(questionWait).describe("The oldest waits that keep it; each is answered by its own id."),
        waits_total: z.int(),
        actions: z.array(z.literal("extend")),
      })
      .meta({ id: "Stall" }),
  ])
  .meta({ id: "Question" });
export const questionsPage = z.strictObject({ questions: z.array(questionView), next_cursor: cursor });
export const answeredView = z.strictObject({
  id: z.string(),
  action: z.enum(["answer", "decline", "cancel", "extend"]),
  open: z.boolean().describe("Whether more can be answered to it."),
});

// Compiles only while each schema and its shape accept each other.
true satisfies AllTrue<
  [Twins<z.infer<typeof questionView>, shapes.QuestionView>, Twins<z.infer<typeof answeredView>, shapes.AnsweredView>]
>;
