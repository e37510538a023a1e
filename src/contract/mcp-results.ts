/**
 * What the tools answer over MCP, as the schemas of structured output. One schema a tool, so that a field of one op is optional in all;
 * fields may be added. Errors have no schema: they are `{error: {code, message, hint}}`, as text, in a result that says that it is one.
 */

import * as z from "zod";
import { type JsonSchema, jsonSchemaOf } from "./json-schema.ts";
import type { McpToolName } from "./mcp-tools.ts";
import { createdTasks } from "./responses.ts";

/** In place of an answer that did not come in time. */
const pending = {
  pending: z.literal(true).describe("It has not happened yet, and is still waited for.").optional(),
  handle: z.string().describe("With pending: give it to wait.").optional(),
};
/** Beside it, where somebody outside is waited for. */
const asked = {
  note: z.string().optional(),
  questions: z.array(z.unknown()).describe("With pending: who asks what, and the calls that answer.").optional(),
};
const token = z.int().describe("The hold's fencing token.");
const actor = z.string().describe("The session that holds: give it to release, and to further acquires.");
const holders = z.array(z.unknown());
const version = z.int();
const object = z.looseObject;

const results: Readonly<Record<McpToolName, z.ZodType>> = {
  start_run: object({ id: z.string().describe("What other tools take as `run`."), status: z.string() }),
  wait: object({
    done: z.boolean().optional(),
    counts: z.record(z.string(), z.int()).describe("Tasks per state.").optional(),
    failed: z.array(z.string()).describe("Ids of failed tasks, the first hundred.").optional(),
    ...pending,
    ...asked,
  }),
  list_runs: object({
    runs: z.array(object({ id: z.string(), name: z.string().nullable(), status: z.string() })),
    next_cursor: z.string().nullable(),
  }),
  create_task: object({
    tasks: z.array(
      object({
        id: z.string(),
        key: z.string().nullable(),
        priority: z.int().describe("Where it had to be lowered to its creator's.").optional(),
      }),
    ),
    projection: createdTasks.shape.projection,
    notes: z.array(z.string()).optional(),
  }),
  await_tasks: object({
    tasks: z
      .array(
        object({
          id: z.string(),
          key: z.string().optional(),
          state: z.string(),
          result: z.unknown().optional(),
          error: object({ code: z.string(), message: z.string() }).optional(),
          truncated: z.boolean().optional(),
        }),
      )
      .optional(),
    ...pending,
    ...asked,
  }),
  inspect: object({}),
  cancel_task: object({ id: z.string(), state: z.string() }),
  finish: object({ state: z.string() }),
  lock: object({
    token: token.optional(),
    tokens: z.record(z.string(), token).optional(),
    acquired: z.boolean().optional(),
    released: z.boolean().optional(),
    holders: holders.optional(),
    actor: actor.optional(),
    ...pending,
  }),
  semaphore: object({
    permits: z.int().optional(),
    released: z.int().optional(),
    actor: actor.optional(),
    ...pending,
  }),
  atomic: object({ value: z.unknown().optional(), previous: z.unknown().optional(), ok: z.boolean().optional() }),
  barrier: object({ generation: z.int().optional(), index: z.int().optional(), ...pending }),
  message_queue: object({
    messages: z.array(z.unknown()).optional(),
    pushed: z.boolean().optional(),
    closed: z.boolean().optional(),
    capacity: z.int().nullable().optional(),
    size: z.int().optional(),
    ...pending,
  }),
  future: object({
    value: z.unknown().optional(),
    error: z.unknown().optional(),
    state: z.string().optional(),
    futures: z.array(object({ name: z.string(), state: z.string() })).optional(),
    resolved: z.boolean().optional(),
    rejected: z.boolean().optional(),
    ...pending,
  }),
  shared_map: object({
    value: z.unknown().optional(),
    version: version.optional(),
    entries: z.array(z.unknown()).optional(),
    next_cursor: z.string().nullable().optional(),
    size: z.int().optional(),
  }),
  shared_list: object({
    value: z.unknown().optional(),
    version: version.optional(),
    items: z.array(z.unknown()).optional(),
    index: z.int().optional(),
    size: z.int().optional(),
  }),
  shared_memory: object({ text: z.string().optional(), version: version.optional() }),
};

export const mcpResultSchema = (name: McpToolName) =>
  jsonSchemaOf(results[name], "output") as JsonSchema & { readonly type: "object" };
