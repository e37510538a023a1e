/** Answers of the API as results of tools: structured and as text, errors with their code and hint. */

import type { CallToolResult } from "@modelcontextprotocol/server";
import { RawJson, rawAt, stringifyRaw } from "../context/json-text.ts";
import type { Answered } from "../http/mcp.ts";

/** What an API answer said, as a value; `text` is its JSON. */
export const resultOf = (text: string): CallToolResult => ({
  content: [{ type: "text", text }],
  structuredContent: JSON.parse(text) as Record<string, unknown>,
});

export const valueResult = (value: object): CallToolResult => resultOf(stringifyRaw(value));

export const errorOf = (error: {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}): CallToolResult => errorText(JSON.stringify({ error }));

/** No structured content: it would have to be of the schema that answers have. */
const errorText = (text: string): CallToolResult => ({ content: [{ type: "text", text }], isError: true });

interface Problem {
  readonly code: string;
  readonly title: string;
  readonly detail?: string;
  readonly hint: string;
  readonly retryable: boolean;
  readonly errors?: unknown;
}

export const problemOf = ({ text }: Answered): Problem => JSON.parse(text) as Problem;

/** A problem in the words of tool errors. */
export function problemResult(answered: Answered): CallToolResult {
  const { code, title, detail, hint, retryable, errors } = problemOf(answered);
  const message = detail ?? title;
  return errorText(
    JSON.stringify({ error: { code, message, hint, retryable, ...(errors !== undefined && { errors }) } }),
  );
}

/** The error inside a result that is one. */
export function problemInside({ isError, content: [first] }: CallToolResult): ToolProblem | undefined {
  if (!isError || first?.type !== "text") return undefined;
  return (JSON.parse(first.text) as { error: ToolProblem }).error;
}

interface ToolProblem {
  readonly code: string;
  readonly message: string;
  /** Of a problem of the API, and not of what the tool was to do. */
  readonly retryable?: boolean;
}

/** An outcome of a tool call, `{result}`, `{error}` or `{pending}`; undefined for the last. */
export function outcomeResult(answered: Answered, also: object = {}): CallToolResult | undefined {
  if (!answered.ok) return problemResult(answered);
  const error = rawAt(answered.text, ["error"]);
  if (error !== undefined) return errorText(stringifyRaw({ error: new RawJson(error) }));
  const result = rawAt(answered.text, ["result"]);
  if (result === undefined) return undefined;
  const names = Object.entries(also);
  return names.length === 0 ? resultOf(result) : valueResult({ ...(JSON.parse(result) as object), ...also });
}
