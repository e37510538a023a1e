/** Tools and parameters of OpenAI's Responses API as chat completions have them: what forks are asked with. */

import type OpenAI from "openai";

/** A tool of a request. */
export type ResponsesTool = OpenAI.Responses.Tool;
type Fields = Readonly<Record<string, unknown>>;

/** Functions and custom tools. What the provider runs by itself chat completions do not have. */
export function chatTools(tools: readonly ResponsesTool[]): OpenAI.ChatCompletionTool[] {
  return tools.flatMap((tool): OpenAI.ChatCompletionTool[] => {
    if (tool.type === "function") {
      const { name, description, parameters, strict } = tool;
      const named = { name, ...(description && { description }), ...(parameters && { parameters }) };
      return [{ type: "function", function: { ...named, ...(strict && { strict }) } }];
    }
    if (tool.type !== "custom") return [];
    const { name, description, format } = tool;
    const custom = { name, ...(description && { description }), ...(format && { format: chatFormat(format) }) };
    return [{ type: "custom", custom }];
  });
}

type CustomFormat = NonNullable<OpenAI.Responses.CustomTool["format"]>;

const chatFormat = (format: CustomFormat): NonNullable<OpenAI.ChatCompletionCustomTool.Custom["format"]> =>
  format.type === "grammar"
    ? { type: "grammar", grammar: { definition: format.definition, syntax: format.syntax } }
    : format;

/** What is called the same and means the same in both. */
const alike = [
  "parallel_tool_calls",
  "prompt_cache_key",
  "prompt_cache_retention",
  "safety_identifier",
  "service_tier",
  "temperature",
  "top_p",
  "user",
];

/** What both know of parameters; how a reply is kept, streamed or continued says nothing to a fork. */
export function chatParams(params: Fields): Record<string, unknown> {
  const { effort } = fieldsOf(params.reasoning);
  const { verbosity, format } = fieldsOf(params.text);
  const mapped = {
    ...Object.fromEntries(alike.map((name) => [name, params[name]])),
    reasoning_effort: effort,
    verbosity,
    response_format: responseFormat(fieldsOf(format)),
    max_completion_tokens: params.max_output_tokens,
    tool_choice: toolChoice(params.tool_choice),
  };
  return Object.fromEntries(Object.entries(mapped).filter(([, value]) => value !== undefined && value !== null));
}

function responseFormat({ type, ...schema }: Fields): object | undefined {
  if (type === "json_schema") return { type, json_schema: schema };
  return type === "json_object" ? { type } : undefined;
}

function toolChoice(choice: unknown): unknown {
  if (typeof choice === "string") return choice;
  const { type, name, mode, tools } = fieldsOf(choice);
  if (type === "function" || type === "custom") return { type, [type]: { name } };
  if (type !== "allowed_tools" || !Array.isArray(tools)) return undefined;
  const known = tools.map(toolChoice).filter((tool) => tool !== undefined);
  return known.length === 0 ? undefined : { type, allowed_tools: { mode, tools: known } };
}

const fieldsOf = (value: unknown): Fields => (typeof value === "object" && value !== null ? (value as Fields) : {});
