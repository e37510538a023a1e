/**
 * What a schema says about a value, in words: one line a field, with its path, for people and models alike.
 * A check may carry a problem code of its own (`withProblem`); it then decides the answer's code.
 */

import * as z from "zod";
import type { ProblemCode } from "../errors/codes.ts";
import type { FieldError } from "../errors/fault.ts";
import { fieldErrorsMax } from "../limits.ts";
import { nearest } from "../nearest.ts";

/**
 * The fields that there are where a key was none of them, by the `keys` of the issue. An issue does not name its schema once it is
 * finished; while it is raw it does, and the list of keys is the same one then.
 */
const fieldsBeside = new WeakMap<readonly string[], readonly string[]>();

/** What an object looks like, for whoever sent a text in its place; it holds for what `.meta` and `.describe` make of its schema, too. */
export const likenesses = z.registry<{ example: string }>();

z.config({
  customError: (raw) => {
    const schema = raw.inst as z.ZodObject | undefined;
    const shape = schema?._zod?.def?.shape;
    if (!shape) return undefined;
    if (raw.code === "unrecognized_keys") fieldsBeside.set(raw.keys as string[], Object.keys(shape));
    const like = raw.code === "invalid_type" && raw.input !== undefined ? likenesses.get(schema) : undefined;
    return like && `expected an object, as ${like.example}`;
  },
});

export interface Mismatch {
  readonly code: ProblemCode;
  readonly errors: readonly FieldError[];
}

/** Parameters of a zod check whose failure is `problem` and not `validation_failed`. */
export const withProblem = (problem: ProblemCode, error: string) => ({ error, params: { problem } });

/** The problem and its fields. A cap (413) outranks a mismatch, and a mismatch outranks what is only not available yet. */
export function mismatchOf(error: z.ZodError): Mismatch {
  const found = error.issues.flatMap((issue) => expand(issue));
  const code =
    found.find((entry) => entry.problem !== undefined && entry.problem !== "not_available")?.problem ??
    (found.every((entry) => entry.problem === "not_available") ? "not_available" : "validation_failed");
  const relevant = code === "validation_failed" ? found : found.filter((entry) => entry.problem === code);
  return { code, errors: relevant.slice(0, fieldErrorsMax).map(fieldErrorOf) };
}

/** The first of them, short whatever the value holds; `whole` is what the value itself is called. */
export function firstMismatch(error: z.ZodError, whole: string): string {
  const { path, message } = mismatchOf(error).errors[0]!;
  return `${path || whole}: ${message}`;
}

/**
 * `tasks[3].after[0]`; keys that are no plain names, or are long, are quoted: `labels["a b"]`. Of a long one a piece is told: all of a body may be one
 * key, and the answer, or what an agent is told, would be twice as large.
 */
function pathText(path: readonly PropertyKey[]): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_][\w-]{0,63}$/.test(String(step))) text += text === "" ? String(step) : `.${String(step)}`;
    else text += `[${JSON.stringify(String(step).slice(0, 64))}]`;
  }
  return text;
}

interface Found extends FieldError {
  readonly problem: ProblemCode | undefined;
  /** A key that is no field, and the fields that there are. */
  readonly stray?: { readonly key: string; readonly fields: readonly string[] };
}

/** What others call a field, by the name that it has here, among the fields beside which `beside` is one: a task's, a run's limits, retries. */
const namesElsewhere: readonly { readonly beside: string; readonly names: Readonly<Record<string, string[]>> }[] = [
  {
    beside: "instructions",
    names: {
      after: ["depends_on", "dependencies", "blocked_by", "needs"],
      instructions: ["prompt", "input", "description", "content"],
      key: ["name", "id"],
      output_schema: ["schema", "response_format", "response_schema"],
      retries: ["max_retries", "retry", "retry_policy"],
      timeout_ms: ["timeout", "timeout_s", "timeout_seconds"],
    },
  },
  { beside: "workers", names: { workers: ["concurrency", "max_concurrency", "parallelism"] } },
  { beside: "backoff_ms", names: { limit: ["max_attempts", "maximum_attempts", "max_retries"] } },
];

function fieldErrorOf({ path, message, stray }: Found): FieldError {
  if (!stray) return { path, message };
  const meant = meantBy(stray.key, stray.fields);
  if (meant !== undefined) return { path, message: `${message}; did you mean "${meant}"?` };
  // The envelope of a tool call.
  const inside = stray.fields.includes("arguments") ? ' here; what the tool takes goes into "arguments"' : "";
  return { path, message: message + inside };
}

/** Keys of one or two letters are near to everything. */
function meantBy(key: string, fields: readonly string[]): string | undefined {
  const word = key.slice(0, 64).replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  if (fields.includes(word)) return word;
  const near = key.length > 2 ? nearest(key, fields) : undefined;
  if (near !== undefined) return near;
  const known = namesElsewhere
    .filter(({ beside }) => fields.includes(beside))
    .flatMap(({ names }) => Object.entries(names));
  return known.find(([, others]) => others.includes(word))?.[0];
}

function expand(issue: z.core.$ZodIssue, prefix: readonly PropertyKey[] = []): Found[] {
  const path = [...prefix, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    const fields = fieldsBeside.get(issue.keys) ?? [];
    // No more are told of; an object may have a million.
    return issue.keys.slice(0, fieldErrorsMax).map((key) => ({
      ...{ path: pathText([...path, key]), message: "unknown field", problem: undefined },
      stray: { key, fields },
    }));
  }
  // That a key is none says nothing: what is wrong with it does, and its path is the key's own.
  if (issue.code === "invalid_key") return issue.issues.flatMap((inner) => expand(inner, path));
  if (issue.code === "invalid_union") {
    // Where the value has the type of just one alternative, that one's complaints are the useful ones.
    const meant = issue.errors.filter((branch) => !branch.some(isTypeMismatchAtRoot) && !branch.some(isOfAnotherKind));
    if (meant.length === 1) return meant[0]!.flatMap((inner) => expand(inner, path));
  }
  const problem = issue.code === "custom" ? (issue.params?.problem as ProblemCode | undefined) : undefined;
  return [{ path: pathText(path), message: plain(issue.message), problem }];
}

const isTypeMismatchAtRoot = (issue: z.core.$ZodIssue): boolean =>
  issue.path.length === 0 && (issue.code === "invalid_type" || issue.code === "invalid_value");

/** Fields whose presence says which alternative is meant. */
const marks: readonly PropertyKey[] = ["mcp"];
const isOfAnotherKind = (issue: z.core.$ZodIssue): boolean =>
  issue.code === "unrecognized_keys"
    ? issue.path.length === 0 && issue.keys.some((key) => marks.includes(key))
    : issue.code === "invalid_type" &&
      issue.path.length === 1 &&
      marks.includes(issue.path[0]!) &&
      issue.message.endsWith("received undefined");

const plain = (message: string): string =>
  message
    .replace(/^Invalid (?:input|option): /, "")
    .replace(/^expected nonoptional, received undefined$/, "required")
    .replace(/^(expected .*), received undefined$/, "required: $1");
