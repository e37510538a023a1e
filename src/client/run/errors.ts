/** What work with a run can end in, beside problems of the calls themselves (../errors.ts). */

import type { ToolErrorCode } from "../../errors/codes.ts";
import type { TaskView } from "../replies.ts";
import type { Task } from "./task.ts";

export type { ToolErrorCode };

/** A tool call or an op on a variable that could not be done; nothing of it was. `code` is stable, `hint` says what to do. */
export class ToolError extends Error {
  override readonly name = "ToolError";
  /** The tool, or the kind of the variable. */
  readonly tool: string;
  /** Of the closed table of what agents are told; a remote tool has codes of its own. */
  readonly code: ToolErrorCode | (string & {});
  /** What to do next. */
  readonly hint: string;
  /** All that the answer says, as `version` of `version_mismatch` or `newest` of `stale_fence`. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(tool: string, error: { code: string; message: string; hint: string; [more: string]: unknown }) {
    // Of arguments that are refused the message begins with the tool itself: a model reads it without this class.
    super(error.message.startsWith(`${tool}: `) ? error.message : `${tool}: ${error.message}`);
    this.tool = tool;
    this.code = error.code;
    this.hint = error.hint;
    this.details = error;
  }
}

/** Whether it is a tool's error, of `code` if one is given. */
export const isToolError = <Code extends ToolErrorCode | (string & {})>(
  error: unknown,
  code?: Code,
): error is ToolError & { readonly code: Code } =>
  error instanceof ToolError && (code === undefined || error.code === code);

/** A task whose result was asked for did not succeed. */
export class TaskFailed extends Error {
  override readonly name = "TaskFailed";
  /** As it ended. */
  readonly task: TaskView;
  /** That of its error; where it has none, its state (`cancelled`, `skipped`). */
  readonly code: string;

  constructor(task: TaskView) {
    super(`task ${task.key ?? task.id} ${task.state}${task.error ? `: ${task.error.message}` : ""}`);
    this.task = task;
    this.code = task.error?.code ?? task.state;
  }
}

/** Of tasks that were created batch after batch, a later batch was refused or could not be sent: `cause` says why. Those before it are there. */
export class CreatedInPart extends Error {
  override readonly name = "CreatedInPart";
  /** Those that were created, each where its spec stands; holes where there is none. */
  readonly tasks: readonly (Task<unknown> | undefined)[];

  constructor(tasks: readonly (Task<unknown> | undefined)[], count: number, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`${count} tasks were created, and the next batch was not: ${why}`, { cause });
    this.tasks = tasks;
  }
}

/** None of the tasks of which one was to succeed did; `errors` has a TaskFailed for each. */
export class NoTaskSucceeded extends AggregateError {
  override readonly name = "NoTaskSucceeded";

  constructor(tasks: readonly TaskView[]) {
    super(
      tasks.map((task) => new TaskFailed(task)),
      `none of ${tasks.length} tasks succeeded`,
    );
  }
}

/** The session that held or waited is over: its time ran out unrenewed, somebody closed it, or the run ended. */
export class SessionLost extends Error {
  override readonly name = "SessionLost";
  /** The session's id. */
  readonly session: string;

  constructor(session: string, why: string, options?: ErrorOptions) {
    super(`session ${session} is over: ${why}; what it held was released, and may be held by another`, options);
    this.session = session;
  }
}

/** A hold ended before it was given back, as `limits.hold_ms` makes it: another may have been in there meanwhile. */
export class HoldLost extends Error {
  override readonly name = "HoldLost";
  /** The lock's or semaphore's name. */
  readonly variable: string;

  constructor(variable: string, options?: ErrorOptions) {
    super(`the hold of "${variable}" ended before it was given back`, options);
    this.variable = variable;
  }
}

/** The future was rejected. */
export class FutureRejected extends Error {
  override readonly name = "FutureRejected";
  /** What it was rejected with. */
  readonly error: unknown;

  constructor(name: string, error: unknown) {
    super(`the future "${name}" was rejected: ${JSON.stringify(error)}`);
    this.error = error;
  }
}
