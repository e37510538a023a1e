/**
 * Messages to a task from outside: kept in order until a logged turn shows them.
 *
 * Owns: which are taken, and when a final answer has to wait for them. Does not own: their texts (bodies of the log), nor
 * where they stand in a transcript (the workers' doors).
 *
 * M1. A message leaves the inbox with the turn that shows it, or with the task's end, which names it as unread.
 * M2. No message wakes a task: it stands after the results that the task waits for.
 */

import { inboxBytesMax, inboxMessagesMax } from "../limits.ts";
import { subtreeTokens } from "./budget.ts";
import type { Refusal } from "./run-commands.ts";
import { isRunEnded, type RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { isEnded, isWorking, messagesTo, type Task } from "./task.ts";

/** Takes a message of `bytes` for a task that can still see it; answers its event's number. */
export function sendMessage(step: Step, task: Task, message: string, bytes: number): number | Refusal {
  if (isRunEnded(step.state)) return { code: "run_ended" };
  if (isEnded(task)) return { code: "task_ended", detail: `It ${endWords[task.phase.state]}.` };
  if (!isWorking(task)) return { code: "task_ended", detail: "Its own work is done; it only waits for its children." };
  const messages = messagesTo(task);
  const waiting = messages.reduce((sum, one) => sum + one.bytes, 0);
  if (messages.length >= inboxMessagesMax || waiting + bytes > inboxBytesMax) {
    const detail = `${messages.length} messages of ${waiting} bytes wait for its next turn; there is room for ${inboxMessagesMax} of ${inboxBytesMax} bytes together.`;
    return { code: "too_many_messages", detail };
  }
  return step.emit({ type: "message_received", task: task.n, bytes }, { message });
}

const endWords = {
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "was cancelled",
  skipped: "was skipped",
} as const;

/**
 * Whether a task whose model has just given its final answer takes another turn: for messages that it has not seen. Its
 * request has at least the tokens that this turn used: where `max_tokens` leaves fewer, it would only lose its answer.
 */
export const goesOn = (state: RunState, task: Task, turnTokens: number): boolean =>
  messagesTo(task).length > 0 && task.turns < task.maxTurns && subtreeTokens(state, task).left > turnTokens;
