/** What a command's end means for its task. */

import { constants } from "node:os";
import { isProblem } from "../../client/errors.ts";
import type { ReportedUsage } from "../../client/requests.ts";
import { faults } from "../../errors/faults.ts";
import { errorCharsMax, resultBytesMax } from "../../limits.ts";
import type { CommandEnd } from "./command.ts";
import { resultBytes, resultOf } from "./result.ts";

export type Verdict =
  | {
      readonly ok: true;
      readonly result: unknown;
      /** Of a tool: it was carried out, and the result is an error that it found. */
      readonly isError?: true;
      readonly usage?: ReportedUsage;
    }
  | {
      readonly ok: false;
      readonly error: { code: string; message: string };
      readonly retryable: boolean;
      readonly usage?: ReportedUsage;
    };

/** EX_TEMPFAIL of sysexits.h: the failure may pass. */
export const retryableStatus = faults.worker_failed.retry.status;

/** For what was stopped before its end. */
export const givenBack: Verdict & { readonly ok: false } = {
  ok: false,
  error: { code: "worker_stopped", message: "The worker was stopped before the command ended." },
  retryable: true,
};

const leftOut = "\n[…]\n";

/**
 * With a message that a server takes, of a long one its beginning and its end: a failure that is refused would be the loss of a lease,
 * and the work would be done again.
 */
export function bounded(verdict: Verdict): Verdict {
  if (verdict.ok || verdict.error.message.length <= errorCharsMax) return verdict;
  const { code, message } = verdict.error;
  const half = Math.floor((errorCharsMax - leftOut.length) / 2);
  return { ...verdict, error: { code, message: `${message.slice(0, half)}${leftOut}${message.slice(-half)}` } };
}

/**
 * What is delivered in place of a result that the server does not take: left alone, its lease would run out, and the same
 * command would be run again for the same result. Undefined where the error is about something else.
 */
export function refusedVerdict(verdict: Verdict, error: unknown): Verdict | undefined {
  if (!verdict.ok || !isProblem(error) || (error.status !== 413 && error.status !== 422)) return undefined;
  const invalid = error.errors.some(({ path }) => path === "result") && error.status === 422;
  // Who printed JSON with a line of a log before it reads of a string only.
  const why = invalid && typeof verdict.result === "string" ? `${error.message}\n${isText}` : error.message;
  return bounded({
    ok: false,
    error: { code: invalid ? "output_invalid" : error.code, message: why },
    retryable: false,
    ...(verdict.usage && { usage: verdict.usage }),
  });
}

const isText =
  "The result is text: it is JSON only where all that was printed is. Print nothing else; what people read goes to stderr.";

export function verdictOf(end: CommandEnd): Verdict {
  if (end.startError) return failure(`the command did not start: ${end.startError.message}`, "", true);
  if (end.overflow) return tooLarge("its stdout was cut off");
  if (end.status !== 0) return failure(howEnded(end), end.stderrTail, end.status === retryableStatus);
  return resultVerdict(resultOf(end.stdout));
}

/** The result, unless it is over the limit; `isError`, of a tool: it is an error that the tool found. */
export function resultVerdict(result: unknown, isError = false): Verdict {
  const bytes = resultBytes(result);
  if (bytes > resultBytesMax) return tooLarge(`it has ${bytes} bytes as JSON`);
  return { ok: true, result, ...(isError && { isError }) };
}

/** `exit status 3`, `ended by SIGKILL (9)` */
export const howEnded = ({ status, signal }: Pick<CommandEnd, "status" | "signal">): string =>
  signal === null ? `exit status ${status}` : `ended by ${signal} (${constants.signals[signal] ?? "?"})`;

function failure(how: string, stderrTail: string, retryable: boolean): Verdict {
  const message = stderrTail === "" ? how : `${how}\n${stderrTail}`;
  return { ok: false, error: { code: "command_failed", message }, retryable };
}

const tooLarge = (how: string): Verdict => ({
  ok: false,
  error: {
    code: "result_too_large",
    message: `The command's result is over 1 MiB: ${how}. Store it elsewhere and print a reference.`,
  },
  retryable: false,
});
