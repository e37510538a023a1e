/** What a command's end means for its task. */

import { constants } from "node:os";
import { errorCharsMax, resultBytesMax } from "../../limits.ts";
import type { CommandEnd } from "./command.ts";
import { resultBytes, resultOf } from "./result.ts";

export type Verdict =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: { code: string; message: string }; readonly retryable: boolean };

/** EX_TEMPFAIL of sysexits.h: the failure may pass. */
const retryableStatus = 75;

export function verdictOf(end: CommandEnd): Verdict {
  if (end.startError) return failure(`the command did not start: ${end.startError.message}`, "", true);
  if (end.overflow) return tooLarge("its stdout was cut off");
  if (end.status !== 0) {
    const how =
      end.signal === null
        ? `exit status ${end.status}`
        : `ended by ${end.signal} (${constants.signals[end.signal] ?? "?"})`;
    return failure(how, end.stderrTail, end.status === retryableStatus);
  }
  const result = resultOf(end.stdout);
  const bytes = resultBytes(result);
  return bytes > resultBytesMax ? tooLarge(`it has ${bytes} bytes as JSON`) : { ok: true, result };
}

function failure(how: string, stderrTail: string, retryable: boolean): Verdict {
  const message = stderrTail === "" ? how : `${how}\n${stderrTail}`;
  return { ok: false, error: { code: "command_failed", message: message.slice(0, errorCharsMax) }, retryable };
}

const tooLarge = (how: string): Verdict => ({
  ok: false,
  error: {
    code: "result_too_large",
    message: `The command's result is over 1 MiB: ${how}. Store it elsewhere and print a reference.`,
  },
  retryable: false,
});
