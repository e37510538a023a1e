/** What a call can throw: a problem that the server answered with, or that it could not be reached. */

import type { ProblemCode } from "../errors/codes.ts";
import { reasonOf } from "./no-answer.ts";

export type { ProblemCode };

/** What is wrong with one field of a request. */
export interface FieldError {
  /** JSON path of the field, as `tasks[3].after[0]`. */
  readonly path: string;
  readonly message: string;
  /** Of a text of many lines, as `rules`: where, from 1. */
  readonly line?: number;
  /** What may have been meant. */
  readonly suggestion?: string;
}

/** The server refused the call. `code` is stable and part of the contract; `hint` says what to do next. */
export class HeddleProblem extends Error {
  /** The HTTP status. */
  readonly status: number;
  /** Stable: what to branch on. */
  readonly code: string;
  /** What the code means, in a few words. */
  readonly title: string;
  /** What is wrong with this request. */
  readonly detail: string | undefined;
  /** What to do next. */
  readonly hint: string;
  /** Of a request that does not match its schema: each field that does not. */
  readonly errors: readonly FieldError[];
  /** The same call may succeed later without a change. */
  readonly retryable: boolean;
  /** Names this very answer, for a report. */
  readonly instance: string | undefined;

  constructor(status: number, body: Record<string, unknown>) {
    const text = (field: string): string | undefined => (typeof body[field] === "string" ? body[field] : undefined);
    const title = text("title") ?? `HTTP ${status}`;
    super(text("detail") ?? title);
    this.name = "HeddleProblem";
    this.status = status;
    this.code = text("code") ?? `http_${status}`;
    this.title = title;
    this.detail = text("detail");
    this.hint = text("hint") ?? "";
    this.errors = Array.isArray(body.errors) ? (body.errors as FieldError[]) : [];
    this.retryable = body.retryable === true || [429, 502, 503, 504].includes(status);
    this.instance = text("instance");
  }
}

/** No answer: nothing listens there, the connection broke, or the answer did not come in time. */
export class HeddleUnreachable extends Error {
  /** Where it was looked for. */
  readonly url: string;
  constructor(url: string, cause: unknown) {
    super(`${url} can't be reached: ${reasonOf(cause)}`, { cause });
    this.name = "HeddleUnreachable";
    this.url = url;
  }
}

/** The file is cut off, or was changed; nothing was sent of it beyond what was read before. */
export class BrokenExport extends Error {
  override readonly name = "BrokenExport";
}

/** Whether it is a problem that the server answered with, of `code` if one is given. */
export const isProblem = <Code extends ProblemCode | (string & {})>(
  error: unknown,
  code?: Code,
): error is HeddleProblem & { readonly code: Code } =>
  error instanceof HeddleProblem && (code === undefined || error.code === code);
