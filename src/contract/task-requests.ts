/** Requests about tasks: posting, waiting, and tool calls. */

import * as z from "zod";
import * as limits from "../limits.ts";
import { messagesSchema } from "./message.ts";
import { pageQuery } from "./paging.ts";
import { namedTaskSpec } from "./run-requests.ts";
import { groupsSchema, poolName, snapshotHash, taskKey, taskReference } from "./task-spec.ts";
import { isToolName, toolNames } from "./tools.ts";

export const taskStates = [
  "waiting",
  "ready",
  "running",
  "parked",
  "succeeded",
  "failed",
  "cancelled",
  "skipped",
] as const;

export const createTasksBody = z.strictObject({
  tasks: z.array(namedTaskSpec).min(1).max(limits.batchTasksMax),
  groups: groupsSchema.exactOptional(),
  from: snapshotHash.describe("The snapshot to fork; default: the run's head.").exactOptional(),
});

/** Of several, all must be true. */
export const tasksQuery = pageQuery.extend({
  state: z.enum(taskStates).describe("Only tasks that are in this state now.").exactOptional(),
  key: taskKey.describe("Only tasks of this key, whoever created them.").exactOptional(),
  label: z
    .string()
    .min(1)
    .max(2 * limits.labelCharsMax + 1)
    .describe("Only tasks that have this label, or, as `name=value`, this label with this value.")
    .exactOptional(),
  pool: poolName.describe("Only tasks of this pool; `hosted` is Heddle's own.").exactOptional(),
  parent: taskReference.describe("Only tasks that this one created: its id, or its key.").exactOptional(),
});

export const messageBody = z.strictObject({
  content: z
    .union([z.string().min(1), z.array(z.looseObject({ type: z.string() })).min(1)], "expected text or content blocks")
    .describe("What a user message of the run's format has: text, or the vendor's content blocks."),
});

export const retryBody = z.strictObject({
  from_turn: z
    .int()
    .min(0)
    .max(limits.turnsNamedMax)
    .describe("Go on after this turn: what came later is void. 0, and the default: from the start.")
    .exactOptional(),
});

export const waitBody = z.strictObject({
  tasks: z
    .array(taskReference)
    .min(1)
    .max(limits.waitTasksMax)
    .describe("Ids or keys; default: every task of the run.")
    .exactOptional(),
  mode: z.enum(["all", "any", "settled"]).default("all"),
  timeout_ms: z.int().min(0).max(limits.waitMsMax).default(limits.waitMsDefault),
});

export const toolsQuery = z.strictObject({
  format: z.enum(["anthropic", "openai", "mcp", "json-schema"]).default("anthropic"),
  tools: z
    .string()
    .min(1)
    .refine(
      (text) => text.split(",").every(isToolName),
      `expected names of tools with commas between: ${toolNames.join(", ")}`,
    )
    .describe("Only these, as in create_task,await_tasks,finish: each costs tokens in every request; default: all.")
    .exactOptional(),
});

const toolCall = {
  /** Anything: what is wrong with arguments is told to the agent, not to the caller. */
  arguments: z
    .unknown()
    .describe("The arguments object, or its JSON text as OpenAI's format has it; default: an empty object.")
    .exactOptional(),
  call_id: z
    .string()
    .min(1)
    .max(limits.nameCharsMax)
    .describe("The call's id in the assistant message.")
    .exactOptional(),
  snapshot: snapshotHash
    .describe("What `messages` follow; default: the head, or the task's newest snapshot.")
    .exactOptional(),
  messages: messagesSchema
    .describe("The conversation since `snapshot`, the assistant message with the call included.")
    .exactOptional(),
  wait_ms: z.int().min(0).max(limits.waitMsMax).default(limits.waitMsDefault),
};

export const callToolBody = z.strictObject({
  ...toolCall,
  actor: z
    .string()
    .max(limits.nameCharsMax)
    .describe("The session (POST …/actors) that holds what this call takes, and waits.")
    .exactOptional(),
});
/** A lease is its own actor. */
export const leaseToolBody = z.strictObject(toolCall);
