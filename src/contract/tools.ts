/**
 * The agent tools: names, descriptions, schemas, and the one parser of their arguments (contract, DESIGN §5).
 *
 * Owns the text that models read about a tool before they call it, and about arguments that they got wrong.
 * Does not own what a call does (objects/) nor the rendering of its answer.
 *
 * T1  A definition is one flat object schema: no $ref, no union at the top; both vendors take it unchanged.
 * T2  Whatever the arguments are, parsing answers: it never throws. `message` names the field and what was expected.
 * T3  Messages inside arguments are kept as the text received.
 */

import * as z from "zod";
import { isObject } from "../context/is-object.ts";
import { unreachable } from "../errors/assert.ts";
import type { VariableErrorCode } from "../errors/codes.ts";
import * as limits from "../limits.ts";
import type { BlockingCall, BlockingKind, DataKind, VariableCall, VariableKind } from "../variables/ops.ts";
import { mismatchOf } from "./field-errors.ts";
import { overfullJson, unfitJson } from "./json-bounds.ts";
import { forModels, type JsonSchema, jsonSchemaOf } from "./json-schema.ts";
import { resultValue } from "./result-value.ts";
import type { ToolAnnotations, ToolFormat, WaitMode } from "./shapes.ts";
import { type Groups, groupsSchema, type TaskSpec, taskReference, taskSpecSchema } from "./task-spec.ts";
import { tasksWithTexts, taskWithTexts } from "./task-texts.ts";
import { parseVariableCall, RefusedArguments, variableKinds, variableTools } from "./variable-tools.ts";

type InspectTarget =
  | { task: string; path?: string; offset?: number }
  | { result: string; path?: string; offset?: number }
  | { variable: string }
  | { run: true };

export type ToolCallParsed =
  | { tool: "create_task"; tasks: TaskSpec[]; groups: Groups }
  | { tool: "await_tasks"; tasks: string[]; mode: WaitMode; timeoutMs?: number }
  | { tool: "inspect"; target: InspectTarget }
  | { tool: "cancel_task"; task: string; reason?: string }
  | { tool: "finish"; result: unknown }
  | { tool: "finish"; error: { code: string; message: string }; retryable: boolean }
  | { tool: DataKind; variable: VariableCall }
  | { tool: BlockingKind; blocking: BlockingCall };

export type ToolName = ToolCallParsed["tool"];

export type ToolArguments =
  | { ok: true; call: ToolCallParsed }
  | { ok: false; code: "bad_arguments" | "unknown_tool" | VariableErrorCode; message: string };

interface Tool {
  readonly description: string;
  /** The JSON Schema that models are shown. */
  readonly parameters: () => JsonSchema;
  /** @throws z.ZodError, of which `parseToolArguments` makes the message. `text` is what `args` was parsed from. */
  readonly parse: (args: object, text: string) => ToolCallParsed;
}

const tool = <Schema extends z.ZodType>(
  description: string,
  schema: Schema,
  call: (args: z.infer<Schema>) => ToolCallParsed,
): Tool => ({
  description,
  parameters: () => forModels(jsonSchemaOf(schema, "input")),
  parse: (args) => call(schema.parse(args)),
});

const batchSchema = z.strictObject(
  {
    tasks: z
      .array(taskSpecSchema)
      .min(1)
      .max(limits.batchTasksMax)
      .describe("The tasks to create, all or none. They may refer to one another by key, in any order."),
    groups: groupsSchema.optional(),
  },
  {
    error: (issue) =>
      issue.code === "unrecognized_keys" ? "give either `tasks` or the fields of one task, not both" : undefined,
  },
);

const ofVariables = Object.fromEntries(
  variableKinds.map((kind): [VariableKind, Tool] => [
    kind,
    {
      description: variableTools[kind].description,
      parameters: () => forModels(jsonSchemaOf(variableTools[kind].schema, "input")),
      parse: (args) => {
        const call = parseVariableCall(kind, args);
        return "one" in call ? { tool: call.kind, blocking: call } : { tool: call.kind, variable: call };
      },
    },
  ]),
) as Record<VariableKind, Tool>;

const tools: Record<ToolName, Tool> = {
  create_task: {
    description: [
      "Hand work to parallel tasks. Each runs on a fork of you: a copy of your whole context up to this call. It knows all that you know, so say only what it is to do and what to return.",
      "Fork when pieces of work don't depend on one another's steps, or when side work would flood your context; do a quick step yourself. Create tasks that belong together in one call: they share one cached context.",
      "The call returns at once with {tasks: [{id, key}]}; call await_tasks when you need results. Fork returns twice: if the answer to this call says that you are a forked task, you are the child: do what it says and nothing else, then finish.",
      "{{key}} or {{key.path}} (no spaces) in instructions or context stands for the result of the task with that key, and makes this one wait for it. `after` waits too.",
    ].join("\n\n"),
    // The form that serves for one task and for many; one task's fields without `tasks` around them are taken too.
    parameters: () => forModels(jsonSchemaOf(batchSchema, "input")),
    parse: (args, text) => {
      if (!Object.hasOwn(args, "tasks"))
        return { tool: "create_task", tasks: [taskWithTexts(taskSpecSchema.parse(args), text)], groups: {} };
      const { tasks, groups = {} } = batchSchema.parse(args);
      return { tool: "create_task", tasks: tasksWithTexts(tasks, text), groups };
    },
  },

  await_tasks: tool(
    "Wait for tasks → {tasks: [{id, key, state, result or error}]}, in the order asked for. Waiting is free, so don't ask inspect again and again. To use results as they come, await with mode any and then the rest. A long result is cut (truncated: true); inspect reads on.",
    z.strictObject({
      tasks: z.array(taskReference).min(1).max(limits.waitTasksMax).describe("Ids or keys that create_task returned."),
      mode: z
        .enum(["all", "any", "settled"])
        .describe(
          "all (default): until all succeeded or one did not; any: until one succeeded or all ended; settled: until all ended.",
        )
        .optional(),
      timeout_ms: z
        .int()
        .min(0)
        .max(limits.runTimeoutMsMax)
        .describe("Give up waiting after this; the tasks go on. Without it you wait as long as you may live.")
        .optional(),
    }),
    ({ tasks, mode = "all", timeout_ms: timeoutMs }) => ({
      tool: "await_tasks",
      tasks,
      mode,
      ...(timeoutMs !== undefined && { timeoutMs }),
    }),
  ),

  inspect: tool(
    "Look, without waiting. With task: its state, what it waits for, its result or error. With result: the rest of a tool's result that was cut. Without arguments: the run's state, its tasks per state, the budget left.",
    z
      .strictObject({
        task: taskReference.optional(),
        path: z
          .string()
          .max(limits.resultPathCharsMax)
          .describe("With task or result: a part of it, as in items.0.name.")
          .optional(),
        offset: z
          .int()
          .min(0)
          .describe("With task or result: read it from this character on, where a long one was cut.")
          .optional(),
        result: z.string().min(1).max(64).describe("A tool's long result, as named where it was cut.").optional(),
        variable: z.string().min(1).max(limits.nameCharsMax).describe("A shared variable's name.").optional(),
      })
      .refine((args) => args.task === undefined || args.variable === undefined, {
        error: "give `task` or `variable`, not both",
        path: ["variable"],
      })
      .refine((args) => args.result === undefined || (args.task === undefined && args.variable === undefined), {
        error: "give `result` or another, not both",
        path: ["result"],
      })
      .refine((args) => (args.task ?? args.result) !== undefined || (args.path ?? args.offset) === undefined, {
        error: "required with `path` or `offset`",
        path: ["task"],
      }),
    ({ task, path, offset, variable, result }) => {
      const part = { ...(path !== undefined && { path }), ...(offset !== undefined && { offset }) };
      if (variable !== undefined) return { tool: "inspect", target: { variable } };
      if (result !== undefined) return { tool: "inspect", target: { result, ...part } };
      if (task === undefined) return { tool: "inspect", target: { run: true } };
      return { tool: "inspect", target: { task, ...part } };
    },
  ),

  cancel_task: tool(
    "Stop a task that you created, or one below it, whose result is no longer needed. What is under it stops too; tasks that depend on it are skipped.",
    z.strictObject({
      task: taskReference,
      reason: z.string().max(limits.reasonCharsMax).describe("For the record.").optional(),
    }),
    ({ task, reason }) => ({ tool: "cancel_task", task, ...(reason !== undefined && { reason }) }),
  ),

  finish: tool(
    "End the task that you are: with result, or with error if it can't be done. Call it last; tasks that you created are still completed. A final answer in plain text ends it as well; use finish for a JSON result or an error.",
    z
      .strictObject({
        result: resultValue
          .describe("Text or any JSON. Others see only this of your work, so put in it all that they need.")
          .optional(),
        error: z
          .union(
            [
              z.string().min(1),
              z.strictObject({ code: z.string().min(1).max(64).optional(), message: z.string().min(1) }),
            ],
            'expected text or {"code", "message"}',
          )
          .describe("In place of result: why the task can't be done, as text or {code, message}.")
          .optional(),
        retryable: z.boolean().describe("With error: another attempt may succeed.").optional(),
      })
      .refine((args) => args.result === undefined || args.error === undefined, {
        error: "give `result` or `error`, not both",
        path: ["error"],
      })
      .refine((args) => args.result !== undefined || args.error !== undefined, {
        error: "required, unless `error` is given; null is a result",
        path: ["result"],
      }),
    ({ result, error, retryable = false }) => {
      if (error === undefined) return { tool: "finish", result };
      const { code = "agent_error", message } = typeof error === "string" ? { message: error } : error;
      return { tool: "finish", error: { code, message }, retryable };
    },
  ),

  ...ofVariables,
};

export const toolNames = Object.keys(tools) as ToolName[];

export const isToolName = (name: string): name is ToolName => Object.hasOwn(tools, name);

/** Where MCP's defaults (writes, destroys, reaches out) say too much. */
const annotations: Partial<Record<ToolName, ToolAnnotations>> = {
  create_task: { destructiveHint: false },
  await_tasks: { readOnlyHint: true, openWorldHint: false },
  inspect: { readOnlyHint: true, openWorldHint: false },
  cancel_task: { destructiveHint: true, idempotentHint: true, openWorldHint: false },
  finish: { destructiveHint: false, openWorldHint: false },
  ...Object.fromEntries(variableKinds.map((kind) => [kind, { openWorldHint: false }])),
};

/** The tools in a vendor's own format, ready to be put into a request, or in nobody's; the same bytes each time. */
export function toolDefinitions(format: ToolFormat, only: readonly ToolName[] = toolNames): unknown[] {
  return toolNames
    .filter((name) => only.includes(name))
    .map((name) => {
      const { description } = tools[name];
      const schema = tools[name].parameters();
      switch (format) {
        case "anthropic":
          return { name, description, input_schema: schema };
        case "openai":
          return { type: "function", function: { name, description, parameters: schema } };
        case "mcp":
          return { name, description, inputSchema: schema, annotations: annotations[name] };
        case "json-schema":
          return { name, description, schema };
        default:
          return unreachable(format);
      }
    });
}

const ownTexts = new Map<ToolFormat, string>();

/** All of them as the JSON text of a list, printed once: what a context that brings none is sent with. */
export function ownToolsText(format: ToolFormat): string {
  const text = ownTexts.get(format) ?? JSON.stringify(toolDefinitions(format));
  ownTexts.set(format, text);
  return text;
}

/** What a model asked for; `argumentsText` is the JSON text of the arguments as the model wrote it. */
export function parseToolArguments(name: string, argumentsText: string): ToolArguments {
  if (!isToolName(name)) {
    return {
      ok: false,
      code: "unknown_tool",
      message: `there is no tool ${JSON.stringify(name.slice(0, 64))} here; there are ${toolNames.join(", ")}`,
    };
  }
  const bad = (message: string): ToolArguments => ({
    ok: false,
    code: "bad_arguments",
    message: `${name}: ${message}`,
  });
  const parsed = argumentsObject(argumentsText);
  if (!parsed.ok) return bad(parsed.message);
  const { args, text } = parsed;
  try {
    return { ok: true, call: tools[name].parse(args, text) };
  } catch (error) {
    if (error instanceof RefusedArguments) return { ok: false, code: error.code, message: `${name}: ${error.message}` };
    if (!(error instanceof z.ZodError)) throw error;
    const { errors } = mismatchOf(error);
    return bad(errors.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("; "));
  }
}

/** The arguments of any tool, as what they have to be: one JSON object, whose `text` is valid. */
export function argumentsObject(
  argumentsText: string,
): { ok: true; args: object; text: string } | { ok: false; message: string } {
  const bad = (message: string) => ({ ok: false as const, message });
  // A call without arguments comes as an empty text from some providers.
  const text = argumentsText.trim() === "" ? "{}" : argumentsText;
  const overfull = overfullJson(text);
  if (overfull !== undefined) return bad(`the arguments: the JSON ${overfull}`);
  let args: unknown;
  try {
    args = JSON.parse(text);
  } catch (error) {
    return bad(`the arguments are not JSON (${(error as SyntaxError).message})`);
  }
  if (!isObject(args)) return bad("the arguments must be one JSON object");
  const unfit = unfitJson(args);
  if (unfit !== undefined) return bad(`the arguments: the JSON ${unfit}`);
  return { ok: true, args, text };
}
