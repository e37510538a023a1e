/**
 * OpenAI's rules for `messages` of chat completions.
 *
 * - O1 A request has messages; roles are system, developer, user, assistant and tool.
 * - O2 Content is a string or a non-empty list of the parts that its role may send; an assistant's may be null if it
 *   calls or refuses.
 * - O3 `tool_calls`, if present, is not empty; each has an id (≤ 40 characters, unique in the message), its kind and a
 *   name; arguments and custom input are strings.
 * - O4 Calls are followed at once by one tool message for each id, in any order; no tool message stands elsewhere.
 */

import { isObject } from "./is-object.ts";

type Fields = Record<string, unknown>;
const isText = (value: unknown): value is string => typeof value === "string";
const namePattern = /^[a-zA-Z0-9_-]{1,64}$/;
const idCharsMax = 40;

const partsByRole: Record<string, Record<string, string>> = {
  system: { text: "text" },
  developer: { text: "text" },
  user: { text: "text", image_url: "image_url", input_audio: "input_audio", file: "file" },
  assistant: { text: "text", refusal: "refusal" },
  tool: { text: "text" },
};

function checkContent(message: Fields, role: string, report: (what: string) => void): void {
  const { content } = message;
  if (isText(content)) return;
  if (role === "assistant" && (content === null || content === undefined)) {
    const speaks = message.tool_calls || isText(message.refusal) || isObject(message.audio);
    if (!speaks) report("an assistant message has content, tool_calls or a refusal");
    return;
  }
  if (!Array.isArray(content)) {
    report("content is a string or a list of parts");
    return;
  }
  if (content.length === 0) report("content is an empty list");
  content.forEach((part: unknown, i) => {
    const fields = partsByRole[role]!;
    const field =
      isObject(part) && isText(part.type) && Object.hasOwn(fields, part.type) ? fields[part.type] : undefined;
    if (field === undefined) report(`content[${i}] is no part of ${role} messages`);
    else {
      const value = (part as Fields)[field];
      if (!(field === "text" || field === "refusal" ? isText(value) : isObject(value)))
        report(`content[${i}] lacks its ${field}`);
    }
  });
}

function checkCall(call: unknown, ids: Set<string>, report: (what: string) => void): void {
  if (!isObject(call) || (call.type !== "function" && call.type !== "custom")) {
    report(" is a function or custom call");
    return;
  }
  if (!isText(call.id) || call.id === "" || call.id.length > idCharsMax)
    report(`.id has 1 to ${idCharsMax} characters`);
  else if (ids.has(call.id)) report(`.id ${call.id} occurs twice`);
  else ids.add(call.id);
  const body = call[call.type];
  const field = call.type === "function" ? "arguments" : "input";
  if (!isObject(body) || !isText(body.name) || !namePattern.test(body.name))
    report(`.${call.type} has a name that matches ^[a-zA-Z0-9_-]{1,64}$`);
  else if (!isText(body[field])) report(`.${call.type}.${field} is a string`);
}

/** Checks the calls of an assistant message and gives their ids. */
function checkCalls(message: Fields, report: (what: string) => void): Set<string> {
  const ids = new Set<string>();
  const { tool_calls: calls } = message;
  if (calls === undefined || calls === null) return ids;
  if (!Array.isArray(calls) || calls.length === 0) {
    report("tool_calls is a non-empty list");
    return ids;
  }
  for (const [i, call] of calls.entries()) checkCall(call, ids, (what) => report(`tool_calls[${i}]${what}`));
  return ids;
}

export function checkOpenai(messages: readonly unknown[]): string[] {
  const problems: string[] = [];
  if (messages.length === 0) return ["messages: at least one message is required"];
  let calls = new Set<string>();
  let open = new Set<string>();
  let caller = 0;
  const close = () => {
    for (const id of open) problems.push(`messages[${caller}]: call ${id} is not followed by its tool message`);
    calls = new Set();
    open = new Set();
  };
  for (const [i, message] of messages.entries()) {
    const report = (what: string) => void problems.push(`messages[${i}]: ${what}`);
    const role = isObject(message) ? message.role : undefined;
    if (role !== "tool") close();
    if (!isObject(message) || !isText(role) || !Object.hasOwn(partsByRole, role)) {
      report(isObject(message) ? `unknown role ${JSON.stringify(role)}` : "a message is an object");
      continue;
    }
    checkContent(message, role, report);
    if (message.name !== undefined && !isText(message.name)) report("name is a string");
    if (role === "assistant") {
      open = checkCalls(message, report);
      calls = new Set(open);
      caller = i;
    } else if (message.tool_calls !== undefined) report("only assistant messages have tool_calls");
    if (role === "tool") {
      const id = message.tool_call_id;
      if (!isText(id)) report("a tool message names its tool_call_id");
      else if (!open.delete(id)) report(calls.has(id) ? `a second result for ${id}` : `no call ${id} before it`);
    } else if (message.tool_call_id !== undefined) report("only tool messages have a tool_call_id");
  }
  close();
  return problems;
}
