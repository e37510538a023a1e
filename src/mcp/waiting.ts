/**
 * Waits: long polls of the API, one after another, for as long as the client has patience; then a handle by which to go on.
 *
 * I1. Whoever hangs up before they have a handle waits no more: what waited for them is let go, and takes nothing. Whoever has one, or has
 *     named the call, may come back, for as long as the session lasts. A cancellation is no other word: official clients send one for each call
 *     that takes them too long, and then repeat it under its name.
 * I2. What passes (too many requests, a busy run) ends no wait that has begun.
 * I3. Whoever has a handle may ask again for what the wait came to, as long as the session lasts: an answer can get lost on its way.
 * I4. A wait that can't be gone on with (its arguments are too long for a handle, and the call has no name) is let go before the client is
 *     told so.
 */

import type { CallToolResult } from "@modelcontextprotocol/server";
import type { QuestionView } from "../contract/question-shapes.ts";
import { toolErrorOf } from "../errors/codes.ts";
import type { McpCall } from "../http/mcp.ts";
import { mcpBusyMs, mcpProgressMs, mcpTaskAfterMs, waitMsMax } from "../limits.ts";
import { errorOf, valueResult } from "./answers.ts";
import { type Handle, printHandle } from "./handles.ts";
import { questionsForModels, statusOf } from "./questions.ts";
import { taskOf } from "./task-view.ts";
import type { Turn } from "./turn.ts";

/** What a look at a wait came to. */
export type Looked =
  | { readonly done: CallToolResult }
  /** Nothing was learnt, and the wait is as it was: too many requests, or a run that is busy. */
  | { readonly done?: undefined; readonly busy: CallToolResult }
  /** `message`: how far it is, for people. */
  | { readonly done?: undefined; readonly message: string; readonly soFar?: object };

export interface Wait {
  readonly handle: Handle;
  /** Waits at most so long. */
  readonly look: (waitMs: number) => Promise<Looked>;
  /** Of whom it may be that somebody outside is waited for. */
  readonly asked?: { readonly run: string; readonly questions: () => Promise<readonly QuestionView[] | undefined> };
  /** It has come to this, and whoever is told so has no handle to ask again by. */
  readonly answered?: (done: CallToolResult) => Promise<unknown>;
  /** Nobody will look again. */
  readonly letGo: () => Promise<unknown>;
}

/** The wait's result, or the word that it is not over; `hasHandle`: the client has its handle. */
export async function waitFor(call: McpCall, turn: Turn, wait: Wait, hasHandle = false): Promise<object> {
  const isKnown = hasHandle || turn.key !== undefined;
  const began = Date.now();
  const until = began + (turn.tasks ? Math.min(mcpTaskAfterMs, call.options.wait_ms) : call.options.wait_ms);
  const gone = turn.gone.then(() => "gone" as const);
  let over: (how: "kept" | "gone") => void = () => {};
  // Asked for before anything waits: a client that hangs up may take the rest of this function with it.
  const ended = new Promise<"kept" | "gone">((resolve) => {
    over = resolve;
  });
  call.later(Promise.race([ended, gone]).then((how) => (how === "gone" && !isKnown ? wait.letGo() : undefined)));
  let hasBegun = isKnown;
  try {
    for (;;) {
      const left = Math.max(0, until - Date.now());
      const looked = await Promise.race([wait.look(Math.min(left, turn.progress ? mcpProgressMs : waitMsMax)), gone]);
      if (looked === "gone") return hungUp;
      if (looked.done) {
        if (!isKnown && wait.answered) call.later(wait.answered(looked.done));
        return looked.done;
      }
      if ("busy" in looked) {
        if (!hasBegun) over("gone");
        if (!hasBegun || isKnown) return looked.busy;
        if (Date.now() < until) {
          await Promise.race([sleep(mcpBusyMs), gone]);
          continue;
        }
      }
      hasBegun = true;
      const { message, soFar } = "busy" in looked ? { message: "the run is busy", soFar: {} } : looked;
      if (Date.now() < until) {
        if (turn.progress) await turn.progress(Date.now() - began, statusOf(message, await questionsOf(wait)));
        continue;
      }
      const handle = printHandle(wait.handle);
      if (handle === undefined) {
        over("gone");
        return isKnown ? tooLongForNow : tooLong;
      }
      const questions = await questionsOf(wait);
      if (turn.tasks) return taskOf(handle, wait.handle, statusOf(message, questions));
      return valueResult({ ...soFar, pending: true, handle, ...questionsForModels(wait.asked?.run ?? "", questions) });
    }
  } finally {
    over("kept");
  }
}

const questionsOf = async ({ asked }: Wait): Promise<readonly QuestionView[]> => (await asked?.questions()) ?? [];

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Nobody reads it. */
const hungUp = errorOf(toolErrorOf("timed_out", "the client has hung up"));
const tooLong = errorOf(
  toolErrorOf("timed_out", "It did not happen in the time that one call may take, and was given up: nothing was done."),
);
const tooLongForNow = errorOf(
  toolErrorOf(
    "timed_out",
    "It did not happen in the time that one call may take, and is waited for still: repeat the call under its key to go on.",
  ),
);
