/** Messages to a task from outside: checked as they come, and put where the vendor's rules have room for them. */

import { checkMessages } from "../../context/message-rules.ts";
import type { Format, MessageText } from "../../context/types.ts";
import type { FaultData } from "../../errors/fault.ts";
import { contextBytesMax } from "../../limits.ts";
import { sendMessage } from "../../scheduler/inbox.ts";
import type { Step } from "../../scheduler/step.ts";
import type { Task } from "../../scheduler/task.ts";
import type { Reply } from "../rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { ok, refuse } from "./replies.ts";

/** Takes a user message of this content (JSON text); answers the number of its event. */
export function messageTo(step: Step, run: LoadedRun, task: Task, content: string): Reply<{ seq: number }> {
  const { tree } = run.store;
  const message = `{"role":"user","content":${content}}`;
  const fault = refusedBy(tree.head(task.base).format, message);
  if (fault) return refuse(fault);
  const bytes = Buffer.byteLength(content);
  const before = tree.node(task.head ?? task.base).bytes + task.inbox.reduce((sum, one) => sum + one.bytes, 0);
  if (before + bytes > contextBytesMax) return refuse({ code: "context_too_large" });
  const sent = sendMessage(step, task, message, bytes);
  return typeof sent === "number" ? ok({ seq: sent }) : refuse(sent);
}

/** What the vendor would refuse: it would end the task instead of reaching it. */
function refusedBy(format: Format, message: MessageText): FaultData | undefined {
  const [first] = checkMessages(format, [JSON.parse(message)]);
  if (first === undefined) return undefined;
  const what = first.replace(/^messages\[0\]\S?\s*/, "");
  const path = /^content(\[\d+\])?/.exec(what)?.[0] ?? "content";
  return { code: "validation_failed", detail: what, errors: [{ path, message: what }] };
}

/** The messages that wait for the task's next turn, but for the first `from`. */
export const inboxTexts = (run: LoadedRun, task: Task, from = 0): MessageText[] =>
  task.inbox.slice(from).map(({ seq }) => (run.store.log.body(seq) as { message: MessageText }).message);

/** The oldest `count` of them as an event tells of them. */
export const shownMessages = (task: Task, count: number): { messages?: number[] } =>
  count === 0 ? {} : { messages: task.inbox.slice(0, count).map(({ seq }) => seq) };
