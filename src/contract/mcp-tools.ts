/**
 * The tools as an MCP client sees them: those of tools.ts with the run that they are for, and three of the client's own.
 *
 * Owns what differs over MCP: which tools who is offered, the arguments that name run and session, what create_task says about
 * contexts (no server sees its client's conversation).
 * Does not own the tools themselves (tools.ts) nor what they answer (mcp-results.ts).
 */

import * as z from "zod";
import { toolErrorOf } from "../errors/codes.ts";
import * as limits from "../limits.ts";
import { mismatchOf } from "./field-errors.ts";
import { forModels, type JsonSchema, jsonSchemaOf } from "./json-schema.ts";
import { mcpResultSchema } from "./mcp-results.ts";
import { runStatuses } from "./run-statuses.ts";
import type { ToolAnnotations } from "./shapes.ts";
import { argumentsObject, isToolName, type ToolName, toolDefinitions, toolNames } from "./tools.ts";

/** A tenant's key, or the lease of a task: its run is the lease's, and `finish` ends the task. */
export type McpBearer = "key" | "lease";

const ownNames = ["start_run", "wait", "list_runs"] as const;
export type OwnToolName = (typeof ownNames)[number];
export type McpToolName = ToolName | OwnToolName;

const mcpToolNames: readonly McpToolName[] = [...ownNames, ...toolNames];

export const isOwnTool = (name: string): name is OwnToolName => (ownNames as readonly string[]).includes(name);
const isMcpTool = (name: string): name is McpToolName => isOwnTool(name) || isToolName(name);

export interface McpTool {
  readonly name: McpToolName;
  readonly description: string;
  readonly inputSchema: JsonSchema & { readonly type: "object" };
  readonly outputSchema: JsonSchema & { readonly type: "object" };
  readonly annotations: ToolAnnotations;
}

/** Tools whose holds outlast a call, so that the next one has to name the session. */
export const isHeldTool = (name: string): boolean => name === "lock" || name === "semaphore";

export const mcpQuery = z.strictObject({
  tools: z
    .string()
    .min(1)
    .refine(
      (text) => text.split(",").every(isMcpTool),
      `expected names of tools with commas between: ${mcpToolNames.join(", ")}`,
    )
    .transform((text) => text.split(",").filter(isMcpTool))
    .describe("Only these tools; default: all.")
    .exactOptional(),
  wait_ms: z
    .string()
    .regex(/^\d{1,9}$/, "expected a whole number of milliseconds")
    .transform(Number)
    .pipe(z.int().min(0).max(limits.mcpWaitMsMax))
    .describe("How long a call waits at most before it answers with a handle.")
    .default(limits.mcpWaitMsDefault),
});

const text = (charsMax: number) => z.string().min(1).max(charsMax);
const runField = z.string().min(1).max(limits.nameCharsMax).describe("The run's id, from start_run.");
const actorField = z
  .string()
  .min(1)
  .max(limits.nameCharsMax)
  .describe(
    "Who holds: what acquire answered. Give it to release, and to acquire more; left out, acquire begins anew.",
  );

const startRun = z.strictObject({
  name: text(limits.nameCharsMax).describe("Shown in lists.").optional(),
  context: text(limits.bodyBytesMax)
    .describe("What all tasks are to know: goal, findings, rules. They see nothing of your conversation.")
    .optional(),
  system: text(limits.bodyBytesMax).describe("Their system prompt.").optional(),
  root: text(limits.instructionsBytesMax)
    .describe(
      "Instructions of a main agent that Heddle hosts, which plans and creates tasks itself; the run ends as it does.",
    )
    .optional(),
  format: z.enum(["anthropic", "openai"]).describe("Of the models' API; anthropic if left out.").optional(),
  model: text(limits.nameCharsMax).optional(),
  workers: z.int().min(1).max(limits.runWorkersMax).describe("Tasks at work at once; 16 if left out.").optional(),
  tokens: z.int().min(1).describe("Budget: the run pauses when it is used up.").optional(),
  usd: z.number().min(0.000001).max(limits.runUsdMax).describe("Budget in dollars.").optional(),
  rules: text(limits.rulesCharsMax)
    .describe("Rules in Markdown, one a bullet, as in `- at most 8 workers`.")
    .optional(),
});

const listRuns = z.strictObject({
  limit: z.int().min(1).max(limits.pageRowsMax).describe("100 if left out.").optional(),
  cursor: z.string().min(1).max(limits.cursorCharsMax).describe("next_cursor of the page before.").optional(),
  order: z.enum(["asc", "desc"]).describe("desc: the newest first.").optional(),
  status: z.enum(runStatuses).optional(),
  name: text(limits.nameCharsMax).describe("Only runs of exactly this name.").optional(),
});

const handleField = z
  .string()
  .min(1)
  .max(limits.mcpHandleCharsMax)
  .describe("Of a call that answered pending: true. Gives that call's own answer.");
const waitForRun = z
  .strictObject({
    run: runField.optional(),
    handle: handleField.optional(),
    timeout_ms: z
      .int()
      .min(0)
      .max(limits.runTimeoutMsMax)
      .describe("With run: answer after this although tasks are live.")
      .optional(),
  })
  .refine(({ run, handle }) => (run === undefined) !== (handle === undefined), {
    error: "give either `run` or `handle`",
    path: ["run"],
    when: ({ issues }) => issues.length === 0,
  });
const waitOn = z.strictObject({ handle: handleField });

const own: Readonly<Record<OwnToolName, { description: string; schema: z.ZodType; annotations: ToolAnnotations }>> = {
  start_run: {
    description:
      "Begin a run: one parallel job with its own context, tasks and shared variables → {id, status}. Then create_task with its id as `run`. It ends by itself a day after its last task.",
    schema: startRun,
    annotations: { destructiveHint: false },
  },
  wait: {
    description:
      "Wait until no task of a run is live → {done, counts, failed}; for certain tasks and their results use await_tasks. Or, with handle, go on waiting for a call that answered {pending: true, handle}.",
    schema: waitForRun,
    annotations: { readOnlyHint: true, openWorldHint: false },
  },
  list_runs: {
    description:
      "The runs of this account, oldest first, or with order desc newest first → {runs: [{id, name, status, created_at}], next_cursor}.",
    schema: listRuns,
    annotations: { readOnlyHint: true, openWorldHint: false },
  },
};

export interface StartRun extends z.output<typeof startRun> {}
export type OwnCall =
  | { readonly tool: "start_run"; readonly body: object }
  | { readonly tool: "list_runs"; readonly query: z.output<typeof listRuns> }
  | { readonly tool: "wait"; readonly handle: string }
  | { readonly tool: "wait"; readonly run: string; readonly timeoutMs?: number };

export type McpRefusal = ReturnType<typeof toolErrorOf>;
type Parsed<T> = { readonly ok: true; readonly call: T } | { readonly ok: false; readonly error: McpRefusal };

const bad = (name: string, message: string) => ({
  ok: false as const,
  error: toolErrorOf("bad_arguments", `${name}: ${message}`),
});

/** A call of one of the three, as the request that it stands for. */
export function parseOwnTool(bearer: McpBearer, name: OwnToolName, argumentsText: string): Parsed<OwnCall> {
  const object = argumentsObject(argumentsText);
  if (!object.ok) return bad(name, object.message);
  const schema = name === "wait" && bearer === "lease" ? waitOn : own[name].schema;
  const parsed = schema.safeParse(object.args);
  if (!parsed.success) return bad(name, sentenceOf(parsed.error));
  if (name === "start_run") return { ok: true, call: { tool: name, body: runBody(parsed.data as StartRun) } };
  if (name === "list_runs") return { ok: true, call: { tool: name, query: parsed.data as z.output<typeof listRuns> } };
  const { run, handle, timeout_ms: ms } = parsed.data as z.output<typeof waitForRun>;
  if (handle !== undefined) return { ok: true, call: { tool: name, handle } };
  return { ok: true, call: { tool: name, run: run!, ...(ms !== undefined && { timeoutMs: ms }) } };
}

/** The body of `POST /v1/runs`. */
function runBody({ name, context, system, root, format, model, workers, tokens, usd, rules }: StartRun): object {
  const head = { format, model, system };
  const bounds = { workers, tokens, usd };
  const given = (fields: object) => Object.values(fields).some((value) => value !== undefined);
  return {
    name,
    ...((context !== undefined || given(head)) && {
      context: { ...head, messages: context === undefined ? [] : [{ role: "user", content: context }] },
    }),
    ...(given(bounds) && { limits: bounds }),
    rules,
    ...(root !== undefined && { root: { instructions: root } }),
  };
}

const sentenceOf = (error: z.ZodError): string =>
  mismatchOf(error)
    .errors.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`))
    .join("; ");

export interface AddressedCall {
  readonly run?: string;
  readonly actor?: string;
}

/** Whom a call of Heddle's tools is for: the fields that MCP adds to its arguments. */
export function parseAddress(bearer: McpBearer, name: ToolName, fields: object): Parsed<AddressedCall> {
  const schema = z.strictObject({
    run: bearer === "key" ? runField : runField.optional(),
    ...(bearer === "key" && isHeldTool(name) && { actor: actorField.optional() }),
  });
  const parsed = schema.safeParse(fields);
  return parsed.success ? { ok: true, call: parsed.data as AddressedCall } : bad(name, sentenceOf(parsed.error));
}

/** Fields of the arguments that are `parseAddress`'s; the others are the tool's own. */
export const isAddress = (bearer: McpBearer, name: ToolName, field: string): boolean =>
  field === "run" || (field === "actor" && bearer === "key" && isHeldTool(name));

export const releaseNeedsActor = {
  ...toolErrorOf("needs_actor", "release has no `actor`, so nobody knows whose hold it is."),
  hint: "Give as `actor` what acquire answered. A hold whose actor is gone ends by itself some minutes after its last call.",
};

/** In place of what create_task says to an agent whose conversation Heddle has. */
const createTask = [
  "Hand work to parallel tasks. Each runs on a fork of the run's context, not of your conversation: say in its instructions what else it needs, and what to return.",
  "Create tasks when pieces of work don't depend on one another's steps, or when side work would flood your context; do a quick step yourself. Create tasks that belong together in one call: they share one cached context.",
  "The call returns at once with {tasks: [{id, key}]}; call await_tasks when you need results.",
  "{{key}} or {{key.path}} (no spaces) in instructions or context stands for the result of the task with that key, and makes this one wait for it. `after` waits too.",
].join("\n\n");

type Listed = Pick<McpTool, "name" | "description" | "inputSchema" | "annotations">;

/** The tools that whoever comes with such a bearer is offered. */
export function mcpTools(bearer: McpBearer, only: readonly McpToolName[] = mcpToolNames): McpTool[] {
  const owned = ownNames
    .filter((name) => bearer === "key" || name === "wait")
    .map((name): Listed => {
      const { description, schema, annotations } = own[name];
      const input = name === "wait" && bearer === "lease" ? waitOn : schema;
      return {
        name,
        description,
        inputSchema: forModels(jsonSchemaOf(input, "input")) as Listed["inputSchema"],
        annotations,
      };
    });
  const shared = (toolDefinitions("mcp") as Listed[])
    .filter(({ name }) => bearer === "lease" || name !== "finish")
    .map((tool): Listed => (bearer === "lease" ? tool : addressed(tool)))
    .map((tool) => (tool.name === "create_task" ? { ...tool, description: createTask } : tool));
  return [...owned, ...shared]
    .filter(({ name }) => only.includes(name))
    .map((tool) => ({ ...tool, outputSchema: mcpResultSchema(tool.name) }));
}

function addressed(tool: Listed): Listed {
  const { properties, required, ...rest } = tool.inputSchema;
  const fields = forModels(
    jsonSchemaOf(z.object({ run: runField, ...(isHeldTool(tool.name) && { actor: actorField }) }), "input"),
  );
  const { run, actor } = fields.properties as Record<string, unknown>;
  return {
    ...tool,
    inputSchema: {
      ...rest,
      properties: { run, ...(properties as object), ...(actor !== undefined && { actor }) },
      required: ["run", ...((required as string[] | undefined) ?? [])],
    },
  };
}
