/**
 * What a harness is told of its task. Pure. The context is shown as text: a harness takes no messages of a vendor's. Where it
 * forks a session of its own, that is its context, and only what the fork adds is told.
 */

import type { ContextView } from "../../../client/replies.ts";
import type { Message } from "../../../client/requests.ts";
import { type Fields, fieldsOf, listOf, textOf } from "./reading.ts";

export interface Told {
  readonly id: string;
  readonly instructions: string;
  readonly outputSchema?: Readonly<Record<string, unknown>>;
}

export function promptOf(task: Told, context: ContextView, forksSession: boolean): string {
  const messages = forksSession ? afterLastReply(context.messages) : context.messages;
  const system = forksSession ? "" : textOfContent(context.system);
  const parts = [
    `You carry out task ${task.id} of Heddle, without a person who could answer questions: decide for yourself, and do the task to its end.
Your final message is the task's result: whoever waits for it gets that text and nothing else of this conversation.
If there are tools of an MCP server named "heddle", they act as this task: with them it can create tasks, wait for them, and share variables and locks with the other tasks of its run.`,
    system && block("system", system),
    messages.length > 0 && block("context", messages.map(messageText).join("\n\n")),
    // The context's end names the task and has its instructions; said again so that no length of it hides them.
    `Do this now:\n${task.instructions}`,
    task.outputSchema &&
      `Your final message must be one JSON value that matches this JSON Schema, with nothing before or after it:\n${JSON.stringify(task.outputSchema)}`,
  ];
  return `${parts.filter(Boolean).join("\n\n")}\n`;
}

export const complaintPrompt = (complaint: string): string =>
  `Your final message is not what was asked for: ${complaint}\nAnswer again, with one JSON value that matches the schema and nothing before or after it.\n`;

/**
 * For a harness that puts the text of a file into its prompt wherever a file's name stands after an "@", and asks nobody, not even for
 * files that its tools might not read: a task's texts would have it send whatever file of this user's they name. With another character
 * before the "@" it is a text as any other; after letters and most signs it is one already, and stays.
 */
export function withoutMentions(prompt: string): string {
  const escaped = prompt.replace(/(?<![!-~])@/g, "\\@");
  return escaped === prompt ? prompt : `In this text \\@ stands for @.\n\n${escaped}`;
}

const block = (name: string, text: string): string => `<${name}>\n${text}\n</${name}>`;

const messageText = (message: Message): string => {
  const calls = listOf(message.tool_calls).map((call) => {
    const { name, arguments: given } = fieldsOf(fieldsOf(call).function);
    return `(calls ${textOf(name) ?? "a tool"}: ${textOf(given) ?? ""})`;
  });
  return [`${message.role}:`, textOfContent(message.content), ...calls].filter(Boolean).join("\n");
};

/** Content in either vendor's form, as text. */
function textOfContent(content: unknown): string {
  if (typeof content === "string") return content;
  return listOf(content)
    .map((one) => blockText(fieldsOf(one)))
    .filter(Boolean)
    .join("\n");
}

function blockText(part: Fields): string {
  if (typeof part.text === "string") return part.text;
  if (part.type === "tool_use") return `(calls ${textOf(part.name) ?? "a tool"}: ${JSON.stringify(part.input)})`;
  if (part.type === "tool_result") return `(result: ${textOfContent(part.content)})`;
  // Reasoning is the vendor's to read, and pictures are no text.
  return "";
}

function afterLastReply(messages: readonly Message[]): readonly Message[] {
  const last = messages.findLastIndex(({ role }) => role === "assistant");
  return last < 0 ? messages.slice(-1) : messages.slice(last + 1);
}
