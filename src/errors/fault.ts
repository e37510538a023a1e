/** Fault: the caller or the world is wrong. Thrown by platform code only; becomes problem+json (http/problem.ts). */

import { type ProblemCode, problems } from "./codes.ts";

export interface FieldError {
  /** JSON path of the field, as `tasks[3].after[0]`; empty for the body as a whole. */
  readonly path: string;
  readonly message: string;
  /** Of a text of many lines: where, from 1. */
  readonly line?: number;
  /** What may have been meant. */
  readonly suggestion?: string;
}

/** A fault as plain data: what an object returns over RPC, where exceptions would count as crashes. */
export interface FaultData {
  readonly code: ProblemCode;
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  readonly retryAfterS?: number;
}

/** What is wrong with one field of a request. */
export const fieldFault = (path: string, message: string): FaultData => ({
  code: "validation_failed",
  detail: `${path}: ${message}`,
  errors: [{ path, message }],
});

export class Fault extends Error {
  readonly data: FaultData;
  constructor(code: ProblemCode, detail?: string, errors?: readonly FieldError[]) {
    super(detail ?? problems[code].title);
    this.name = "Fault";
    this.data = { code, ...(detail !== undefined && { detail }), ...(errors && { errors }) };
  }
  static of(data: FaultData): Fault {
    const fault = new Fault(data.code, data.detail, data.errors);
    Object.assign(fault.data, data);
    return fault;
  }
}
