/**
 * The body of a request of OpenAI's Responses API, from a context of chat completions: for models that take tools and reasoning by
 * that API alone. Unlike the other bodies it is made anew from what the texts say, since no member means the same in both.
 *
 * 1. The conversation, `model`, `stream` and `tools` come from the request; `params` can't override them.
 * 2. What chat completions call otherwise is renamed; what the API has no name for is sent as it is, and refused by the vendor in its
 *    own words, rather than left out unsaid.
 * 3. Nothing is kept at the vendor's unless `params.store` says so: what its reasoning was comes along, sealed, with each request.
 */

import { type Fields, fieldsOf, listOf } from "./fields.ts";
import type { ModelRequest } from "./port.ts";
import { outputLimit, paramsOf, toolsOf } from "./request-body.ts";
import { inputOf } from "./responses-input.ts";

export const responsesLimit = (request: ModelRequest): number =>
  outputLimit(request, paramsOf(request), ["max_tokens", "max_completion_tokens", "max_output_tokens"]);

/** `sealed`: with the reasoning of earlier replies. */
export function responsesBody(request: ModelRequest, sealed: boolean): string {
  const given = Object.fromEntries(paramsOf(request).map(({ key, value }) => [key, JSON.parse(value) as unknown]));
  const tools = toolsOf(request);
  const { system } = request.head;
  const messages = [...(system === undefined ? [] : [`{"role":"system","content":${system}}`]), ...request.messages];
  return JSON.stringify({
    model: request.model,
    max_output_tokens: responsesLimit(request),
    store: false,
    // A lineage that brings a key of its own keeps it: its parent's cache is found under that one.
    prompt_cache_key: request.cacheKey,
    ...paramsFor(given),
    include: ["reasoning.encrypted_content"],
    stream: true,
    ...(tools !== undefined && { tools: listOf(JSON.parse(tools)).map(toolFor) }),
    input: inputOf(messages, sealed),
  });
}

/** Here a function is strict unless it says that it is not. */
function toolFor(tool: Fields): Fields {
  const { type } = tool;
  if (type === "function") return { type, strict: false, parameters: null, ...fieldsOf(tool.function) };
  if (type !== "custom") return tool;
  const { format, ...custom } = fieldsOf(tool.custom);
  const { type: kind, grammar } = fieldsOf(format);
  return { type, ...custom, ...(format !== undefined && { format: { type: kind, ...fieldsOf(grammar) } }) };
}

/** Members of `params` that the request itself has, that say nothing here, or that name what the vendor keeps of other requests. */
const owned = new Set([
  "background",
  "conversation",
  "max_completion_tokens",
  "max_output_tokens",
  "max_tokens",
  "messages",
  "model",
  "previous_response_id",
  "prompt",
  "stream",
  "stream_options",
  "system",
  "tools",
]);

/** Of chat completions alone, and what they are where left out: clients write them all the same, and the API would refuse them. */
const byDefault: Fields = { frequency_penalty: 0, logprobs: false, n: 1, presence_penalty: 0 };

function paramsFor(given: Fields): Fields {
  const says = ([key, value]: [string, unknown]) => !owned.has(key) && value !== null && value !== byDefault[key];
  const rest = Object.fromEntries(Object.entries(given).filter(says));
  const { reasoning_effort: effort, verbosity, response_format: format, tool_choice: choice, ...alike } = rest;
  const reasoning = { ...(effort !== undefined && { effort }), ...fieldsOf(alike.reasoning) };
  const text = {
    ...(verbosity !== undefined && { verbosity }),
    ...(format !== undefined && { format: formatFor(fieldsOf(format)) }),
    ...fieldsOf(alike.text),
  };
  return {
    ...alike,
    ...(Object.keys(reasoning).length > 0 && { reasoning }),
    ...(Object.keys(text).length > 0 && { text }),
    ...(choice !== undefined && { tool_choice: choiceFor(choice) }),
  };
}

const formatFor = ({ type, json_schema }: Fields): Fields =>
  type === "json_schema" ? { type, ...fieldsOf(json_schema) } : { type };

function choiceFor(choice: unknown): unknown {
  const { type, function: called, custom, allowed_tools } = fieldsOf(choice);
  if (type === "function") return { type, ...fieldsOf(called) };
  if (type === "custom") return { type, ...fieldsOf(custom) };
  if (type !== "allowed_tools") return choice;
  const { mode, tools } = fieldsOf(allowed_tools);
  return { type, mode, tools: listOf(tools).map(choiceFor) };
}
