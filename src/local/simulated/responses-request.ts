/**
 * A request of OpenAI's Responses API as the chat completion that says the same, so that what is due is found there.
 * Texts, pictures, functions and reasoning are known; nothing is kept, so a request has to bring its whole conversation.
 */

import { type Fields, listOf } from "./conversation.ts";
import { isSealed } from "./sealed-reasoning.ts";

/** The request, or what is wrong with it. */
export type ChatRequest = { readonly body: Fields } | { readonly refused: string };

const partTypes: Readonly<Record<string, readonly string[]>> = {
  user: ["input_text", "input_image", "input_file"],
  system: ["input_text"],
  developer: ["input_text"],
  assistant: ["output_text", "refusal"],
};

export function chatRequest(body: Fields): ChatRequest {
  if (body.messages !== undefined) return { refused: "messages: the Responses API takes input instead" };
  for (const name of ["previous_response_id", "conversation"])
    if (body[name]) return { refused: `${name}: the simulated model keeps no responses; send the whole input` };
  const tools = listOf(body.tools);
  const unnamed = tools.findIndex(({ type, name }) => type === "function" && typeof name !== "string");
  if (unnamed >= 0) return { refused: `tools[${unnamed}].name: a name is required, beside type and not in function` };
  const { input, instructions } = body;
  const items = typeof input === "string" ? [{ role: "user", content: input }] : listOf(input);
  if (items.length === 0) return { refused: "input: a text or a list of items is required" };
  const alone = items.findIndex(({ type }, i) => type === "reasoning" && !isOfReply(items[i + 1]));
  if (alone >= 0) return { refused: `input[${alone}]: reasoning was given without the item that followed it` };
  const wrong = items.map(problemOf).findIndex((problem) => problem !== undefined);
  if (wrong >= 0) return { refused: `input[${wrong}]${problemOf(items[wrong]!)}` };
  const system = typeof instructions === "string" ? [{ role: "system", content: instructions }] : [];
  return { body: { ...body, messages: [...system, ...messagesOf(items)] } };
}

const isOfReply = (item: Fields | undefined): boolean =>
  item !== undefined && (item.role === "assistant" || ["reasoning", "function_call"].includes(String(item.type)));

const isMessage = ({ type }: Fields): boolean => type === undefined || type === "message";

function problemOf(item: Fields): string | undefined {
  const { type, role, content } = item;
  if (isMessage(item)) {
    const known = typeof role === "string" && Object.hasOwn(partTypes, role) ? partTypes[role]! : undefined;
    if (!known) return `.role: ${JSON.stringify(role)} is none of ${Object.keys(partTypes).join(", ")}`;
    if (typeof content === "string") return undefined;
    const wrong = listOf(content).findIndex((part) => !known.includes(String(part.type)));
    return wrong < 0 ? undefined : `.content[${wrong}].type: ${role} messages have ${known.join(", ")}`;
  }
  if (type === "reasoning") {
    const { encrypted_content: sealed } = item;
    // Whatever is given as sealed here must have been sealed here.
    return typeof sealed !== "string" || isSealed(sealed)
      ? undefined
      : ".encrypted_content: the encrypted content could not be verified";
  }
  if (type === "function_call") {
    const whole = ["call_id", "name", "arguments"].every((name) => typeof item[name] === "string");
    return whole ? undefined : ": a function_call has a call_id, a name and arguments";
  }
  if (type === "function_call_output")
    return typeof item.call_id === "string" && item.output !== undefined
      ? undefined
      : ": a function_call_output has a call_id and an output";
  return `.type: the simulated model knows no ${JSON.stringify(type)}`;
}

/** Items of an assistant in a row are one message, as one reply is. */
function messagesOf(items: readonly Fields[]): object[] {
  const messages: object[] = [];
  let texts: string[] = [];
  let calls: object[] = [];
  const close = () => {
    if (texts.length + calls.length > 0)
      messages.push({
        role: "assistant",
        content: texts.join("") || null,
        ...(calls.length > 0 && { tool_calls: calls }),
      });
    texts = [];
    calls = [];
  };
  for (const item of items) {
    if (item.type === "function_call") {
      const { call_id: id, name, arguments: args } = item;
      calls.push({ id, type: "function", function: { name, arguments: args } });
    } else if (item.type === "function_call_output") {
      close();
      messages.push({ role: "tool", tool_call_id: item.call_id, content: chatContent(item.output) });
    } else if (item.role === "assistant") texts.push(textOf(item.content));
    else if (isMessage(item)) {
      close();
      messages.push({ role: item.role, content: chatContent(item.content) });
    }
  }
  close();
  return messages;
}

const textOf = (content: unknown): string =>
  typeof content === "string"
    ? content
    : listOf(content)
        .map(({ text, refusal }) => text ?? refusal ?? "")
        .join("");

function chatContent(content: unknown): unknown {
  if (typeof content === "string") return content;
  return listOf(content).map(({ type, text, image_url, ...file }) => {
    if (type === "input_text") return { type: "text", text };
    return type === "input_image" ? { type: "image_url", image_url: { url: image_url } } : { type: "file", file };
  });
}
