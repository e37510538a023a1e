/**
 * Items of OpenAI's Responses API as messages of chat completions: what a run keeps, and its forks go on from.
 *
 * I1  All items of one reply are one assistant message: its texts, then its calls in their order.
 * I2  A result stands behind the message with its call, in the order of the calls, wherever it stood among the items.
 * I3  The reply that ends a conversation keeps its calls open. Any other call has a result, if only that there is none yet.
 * I4  What chat completions can't say is said in its place in a few words; reasoning is left out, which its provider alone reads.
 * I5  Items behind a whole reply change nothing before them but a result that was missing: so messages travel once.
 */

import type OpenAI from "openai";
import type { Message } from "../client/index.ts";

/** What is put into a request, or comes in a reply. */
export type ResponsesItem = OpenAI.Responses.ResponseInputItem | OpenAI.Responses.ResponseOutputItem;

/** A call of a function. */
export type FunctionCallItem = OpenAI.Responses.ResponseFunctionToolCall;

/** Of any item, what is read here: they have some thirty forms, and servers of one's own have others. */
interface Fields {
  readonly type?: string | null;
  readonly role?: string;
  readonly content?: unknown;
  readonly call_id?: string | null;
  readonly id?: string | null;
  readonly name?: string;
  readonly arguments?: unknown;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly status?: unknown;
  readonly environment?: { readonly type?: string } | null;
}

/** A part of a content or an output. */
interface Part {
  readonly type?: string;
  readonly text?: string;
  readonly refusal?: string;
  readonly image_url?: string | null;
  readonly detail?: string;
  readonly file_id?: string | null;
  readonly file_data?: string;
  readonly filename?: string;
  readonly input_audio?: unknown;
}

interface Reply {
  readonly texts: string[];
  readonly refusals: string[];
  readonly calls: { readonly id: string }[];
  readonly results: Map<string, string>;
}

/** Chat completions take ids of 40 characters; the end of a longer one is what tells it from others. */
const idCharsMax = 40;

const wholeConversation =
  "give the whole conversation, also where requests name what went before by previous_response_id";

/** The id that a call has in messages. */
export const callIdOf = (id: string): string => id.slice(-idCharsMax);

/** The conversation as messages. @throws where it is not whole, or an item only names what its provider has */
export function messagesOf(items: readonly ResponsesItem[]): Message[] {
  const entries: (Message | Reply)[] = [];
  /** Where the result of a call belongs, until it is there. */
  const open = new Map<string, Reply>();
  let reply: Reply | undefined;
  for (const item of withoutProviders(items) as readonly Fields[]) {
    const kind = kindOf(item);
    if (kind === "aside") continue;
    if (kind === "reply") {
      if (!reply) {
        reply = { texts: [], refusals: [], calls: [], results: new Map() };
        entries.push(reply);
      }
      addTo(reply, item, open);
      continue;
    }
    reply = undefined;
    if (kind === "result") addResult(item, open);
    else entries.push({ role: item.role!, content: contentOf(item) });
  }
  const [first] = entries;
  // After a compaction the provider alone knows what was before.
  if (first && isReply(first) && first.calls.length > 0 && items[0]!.type !== "compaction")
    throw new Error(`the items begin with a reply that makes calls: ${wholeConversation}`);
  return entries.flatMap((entry, i) => (isReply(entry) ? replyMessages(entry, i === entries.length - 1) : [entry]));
}

/** The calls of functions that nobody has answered, since a person spoke last. */
export function openCalls(items: readonly ResponsesItem[]): FunctionCallItem[] {
  const from = items.findLastIndex((item) => kindOf(item as Fields) === "message") + 1;
  let open: FunctionCallItem[] = [];
  for (const item of items.slice(from)) {
    if (item.type === "function_call") open.push(item);
    else if (kindOf(item as Fields) === "result") {
      const id = resultOf(item as Fields);
      open = open.filter(({ call_id }) => call_id !== id);
    }
  }
  return open;
}

/** The conversation up to and with the whole reply that makes the call. @throws where none does */
export function throughReply(items: readonly ResponsesItem[], id: string): ResponsesItem[] {
  const own = withoutProviders(items);
  let end = own.findLastIndex((item) => item.type === "function_call" && item.call_id === id) + 1;
  if (end === 0)
    throw new Error(
      `no item makes the call ${id}: push the reply's output onto the items before its calls are carried out`,
    );
  while (end < own.length && ["reply", "aside"].includes(kindOf(own[end] as Fields))) end++;
  return own.slice(0, end);
}

/** A shell in the provider's container is called and answered within one reply, which is not to be parted there. */
function withoutProviders(items: readonly ResponsesItem[]): ResponsesItem[] {
  const ran = new Set((items as readonly Fields[]).filter(isProviders).map(({ call_id }) => call_id));
  return items.filter((item) => kindOf(item as Fields) !== "result" || !ran.has(resultOf(item as Fields)));
}

const isProviders = ({ type, environment }: Fields): boolean =>
  type === "tool_search_call" || environment?.type === "container_reference";

type Kind = "message" | "reply" | "result" | "aside";

function kindOf({ type, role, id }: Fields): Kind {
  if (type === "item_reference" || (!type && role === undefined))
    throw new Error(`a run can't see what item ${id} is: give the item itself, not a reference to it`);
  if (!type || type === "message") return role === "assistant" ? "reply" : "message";
  if (type.endsWith("_call_output")) return "result";
  return type.endsWith("_call") || type === "compaction" ? "reply" : "aside";
}

const isReply = (entry: Message | Reply): entry is Reply => "results" in entry;

function addTo(reply: Reply, item: Fields, open: Map<string, Reply>): void {
  if (!item.type || item.type === "message") {
    for (const part of partsOf(item.content)) {
      if (part.type === "refusal") reply.refusals.push(part.refusal ?? "");
      else reply.texts.push(textOf(part));
    }
    return;
  }
  const call = callOf(item);
  if (call) {
    reply.calls.push(call);
    open.set(call.id, reply);
  } else reply.texts.push(noteOf(item.type));
}

/** What the caller carries out is a call, whoever named the tool; what the provider ran by itself is none. */
function callOf(item: Fields) {
  const { type, id: _id, call_id, name, arguments: args, input, status: _status, ...rest } = item;
  if (!call_id || isProviders(item)) return undefined;
  const id = callIdOf(call_id);
  if (type === "custom_tool_call") return { id, type: "custom", custom: { name, input } };
  const called =
    type === "function_call" ? { name, arguments: args } : { name: runOf(type!), arguments: JSON.stringify(rest) };
  return { id, type: "function", function: called };
}

/** Whose result it is. A local shell's names its call by its own id. */
const resultOf = ({ call_id, id }: Fields): string => call_id ?? id ?? "";

function addResult(item: Fields, open: Map<string, Reply>): void {
  const called = callIdOf(resultOf(item));
  const reply = open.get(called);
  if (!reply)
    throw new Error(
      `the items have a result for the call ${resultOf(item)} and no such call before it: ${wholeConversation}`,
    );
  open.delete(called);
  reply.results.set(called, resultText(item.output ?? item.status));
}

function replyMessages({ texts, refusals, calls, results }: Reply, isLast: boolean): Message[] {
  const content = texts.filter((text) => text !== "").join("\n\n") || null;
  if (content === null && refusals.length === 0 && calls.length === 0) return [];
  const message = {
    role: "assistant",
    content,
    ...(refusals.length > 0 && { refusal: refusals.join("\n\n") }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
  const answered = isLast ? calls.filter(({ id }) => results.has(id)) : calls;
  return [
    message,
    ...answered.map(({ id }) => ({ role: "tool", tool_call_id: id, content: results.get(id) ?? "[no result yet]" })),
  ];
}

function contentOf({ role, content }: Fields): unknown {
  if (typeof content === "string") return content;
  return partsOf(content).map((part) => (role === "user" && userPart(part)) || { type: "text", text: textOf(part) });
}

/** A part that only a user's message can have. */
function userPart({
  type,
  image_url: url,
  detail,
  file_id,
  file_data,
  filename,
  input_audio,
}: Part): object | undefined {
  if (type === "input_image" && url)
    return {
      type: "image_url",
      image_url: { url, ...(detail && { detail: detail === "original" ? "high" : detail }) },
    };
  if (type === "input_file" && (file_id || file_data))
    return { type: "file", file: file_id ? { file_id } : { file_data, ...(filename && { filename }) } };
  return type === "input_audio" && input_audio ? { type, input_audio } : undefined;
}

const partsOf = (content: unknown): readonly Part[] =>
  typeof content === "string" ? [{ type: "text", text: content }] : Array.isArray(content) ? (content as Part[]) : [];

function textOf({ type = "", text, filename }: Part): string {
  if (typeof text === "string") return text;
  if (/image|screenshot/.test(type)) return "[an image that did not come along]";
  if (type === "input_file") return `[a file${filename ? ` (${filename})` : ""} that did not come along]`;
  return `[${type} that did not come along]`;
}

/** An output is a text, parts, or what a tool of the vendor answers: its JSON, unless it is a picture. */
function resultText(output: unknown): string {
  if (typeof output === "string") return output;
  return (Array.isArray(output) ? output : [output]).map(outputText).join("\n");
}

const outputText = (part: unknown): string =>
  typeof (part as Part | undefined)?.type === "string" ? textOf(part as Part) : (JSON.stringify(part) ?? "");

const runOf = (type: string): string => type.replace(/_call$/, "");

const noteOf = (type: string): string =>
  type === "compaction"
    ? "[a note of what was said before, which the provider alone can read]"
    : `[the provider ran ${runOf(type)}]`;
