/** A command that runs once per call: arguments come on stdin, what it prints is the result. */

import type { ToolCallView } from "../../client/replies.ts";
import { workStderrTailBytes } from "../../limits.ts";
import type { CommandEnd } from "../worker/command.ts";
import { executionOf } from "../worker/command-execution.ts";
import type { CommandFolder } from "../worker/command-files.ts";
import type { Execution, Telling } from "../worker/execution.ts";
import { howEnded, retryableStatus, type Verdict, verdictOf } from "../worker/verdict.ts";
import type { Carrier } from "./carrier.ts";
import { bareEnvironment } from "./environment.ts";

export class CallCommand implements Carrier {
  readonly #command: readonly string[];
  readonly #folder: CommandFolder;
  readonly #url: string;

  constructor(command: readonly string[], folder: CommandFolder, url: string) {
    this.#command = command;
    this.#folder = folder;
    this.#url = url;
  }

  start({ tool, arguments: args, idempotency_key, run, task }: ToolCallView, telling: Telling): Execution {
    const text = JSON.stringify(args);
    const input = {
      stdin: text,
      files: { HEDDLE_TOOL_FILE: text },
      env: {
        ...bareEnvironment(),
        HEDDLE_URL: this.#url,
        HEDDLE_TOOL: tool,
        HEDDLE_TOOL_CALL: idempotency_key,
        HEDDLE_RUN: run,
        HEDDLE_TASK_ID: task.id,
        HEDDLE_TASK_KEY: task.key ?? "",
      },
    };
    return executionOf(this.#command, this.#folder, () => input, callVerdictOf, telling);
  }
}

/** A command that says no has carried out its call: the model is told what it said. */
function callVerdictOf(end: CommandEnd): Verdict {
  if (end.startError || end.overflow || end.status === 0 || end.status === retryableStatus) return verdictOf(end);
  // Many a program, test runners above all, say on stdout what was wrong.
  const said = end.stderrTail || end.stdout.slice(-workStderrTailBytes).trimEnd();
  const message = said === "" ? howEnded(end) : `${howEnded(end)}\n${said}`;
  return { ok: true, isError: true, result: { error: { code: "command_failed", message } } };
}
