/**
 * Anthropic's rules for `messages`.
 *
 * - A1 A request has messages; the first is the user's. Consecutive user messages are allowed; we refuse consecutive
 *   assistant messages (the vendor merges them, which no longer is what was signed), but for the rest of a reply that was paused.
 * - A2 A message has `role` and `content` and nothing else; roles are user, assistant, and system right after a user message.
 * - A3 Content is a string or blocks, and never empty or blank.
 * - A4 Blocks have the types that their role may send. Reasoning is signed and never the last block; calls come last.
 * - A5 Every `tool_use` is answered once, in the next message, with the results before anything else there; no result
 *   stands without its call. Ids are words and unique in the whole conversation.
 * - A6 At most four cache marks, none on reasoning or empty text.
 * - A7 A final assistant message (a prefill) doesn't end in white space.
 */

import { anthropicCacheMarksMax } from "../limits.ts";
import { isPaused } from "./calls.ts";
import { isObject } from "./is-object.ts";

type Fields = Record<string, unknown>;
const isText = (value: unknown): value is string => typeof value === "string";
const idPattern = /^[a-zA-Z0-9_-]+$/;
const namePattern = /^[a-zA-Z0-9_-]{1,200}$/;

const userBlocks = new Set(["text", "image", "document", "search_result", "tool_result", "container_upload"]);
const assistantBlocks =
  /^(text|thinking|redacted_thinking|tool_use|server_tool_use|mcp_tool_use|compaction|\w+_tool_result)$/;
const resultBlocks = new Set(["text", "image", "document", "search_result", "tool_reference", "browser_state"]);

interface Pass {
  readonly problems: string[];
  readonly callIds: Set<string>;
  cacheMarks: number;
}

type Report = (what: string) => void;

function checkCall(pass: Pass, block: Fields, report: Report): void {
  if (!isText(block.id) || !idPattern.test(block.id)) report("a tool_use id matches ^[a-zA-Z0-9_-]+$");
  else if (pass.callIds.has(block.id)) report(`tool_use ids are unique; ${block.id} is not`);
  else pass.callIds.add(block.id);
  if (!isText(block.name) || !namePattern.test(block.name)) report("a tool's name matches ^[a-zA-Z0-9_-]{1,200}$");
  if (!isObject(block.input)) report("input is an object");
}

function checkResult(block: Fields, report: Report): void {
  if (!isText(block.tool_use_id) || !idPattern.test(block.tool_use_id)) report("a tool_result names its tool_use_id");
  if (block.is_error !== undefined && typeof block.is_error !== "boolean") report("is_error is a boolean");
  const { content } = block;
  if (content === undefined || isText(content)) return;
  if (!Array.isArray(content)) report("a result's content is a string or blocks");
  else if (!content.every((part: unknown) => isObject(part) && isText(part.type) && resultBlocks.has(part.type)))
    report("a result's content has blocks that it can't have");
  else if (content.some((part: Fields) => part.type === "text" && !(isText(part.text) && part.text !== "")))
    report("text blocks of a result are not empty");
}

function isAllowed(type: string, role: string): boolean {
  if (role === "assistant") return assistantBlocks.test(type);
  return role === "user" ? userBlocks.has(type) : type === "text";
}

function checkBlock(pass: Pass, block: unknown, role: string, at: string): void {
  const report = (what: string) => void pass.problems.push(`${at}: ${what}`);
  if (!isObject(block) || !isText(block.type)) {
    report("a block is an object with a type");
    return;
  }
  const { type } = block;
  if (!isAllowed(type, role)) report(`${role} messages have no ${type} blocks`);
  if (block.cache_control !== undefined && block.cache_control !== null) {
    pass.cacheMarks++;
    if (!isObject(block.cache_control) || block.cache_control.type !== "ephemeral") report("a cache mark is ephemeral");
    if (type.endsWith("thinking")) report(`${type} blocks carry no cache mark`);
  }
  if (type === "text" && !(isText(block.text) && block.text.trim() !== ""))
    report("text blocks contain non-whitespace text");
  if (type === "thinking" && !(isText(block.thinking) && isText(block.signature) && block.signature !== ""))
    report("thinking has its text and signature");
  if (type === "redacted_thinking" && !isText(block.data)) report("redacted thinking has data");
  if (type === "tool_use") checkCall(pass, block, report);
  if (type === "tool_result") checkResult(block, report);
}

const blocksOf = (message: unknown, type: string): { block: Fields; index: number }[] =>
  isObject(message) && Array.isArray(message.content)
    ? message.content.flatMap((block: unknown, index) =>
        isObject(block) && block.type === type ? [{ block, index }] : [],
      )
    : [];

/** A5: the results of `next`, if it is the user's, against the calls of `message`. */
function checkAnswers(pass: Pass, message: unknown, next: unknown, at: number): void {
  const isReply = isObject(message) && message.role === "assistant";
  const calls = isReply ? blocksOf(message, "tool_use").map(({ block }) => block.id) : [];
  const results = isObject(next) && next.role === "user" ? blocksOf(next, "tool_result") : [];
  const open = new Set<unknown>(calls);
  results.forEach(({ block, index }, i) => {
    const place = `messages[${at + 1}].content[${index}]`;
    const id = String(block.tool_use_id);
    if (open.delete(block.tool_use_id)) {
      if (index !== i) pass.problems.push(`${place}: tool_results come before other content`);
    } else if (calls.includes(block.tool_use_id)) pass.problems.push(`${place}: a second result for ${id}`);
    else pass.problems.push(`${place}: no tool_use ${id} in the previous message`);
  });
  for (const id of open)
    pass.problems.push(`messages[${at}]: tool_use ${String(id)} has no tool_result in the next message`);
}

function checkOrder(pass: Pass, role: unknown, previous: unknown, at: string): void {
  const before = isObject(previous) ? previous.role : undefined;
  if (role === "assistant" && before === "assistant" && !isPaused("anthropic", JSON.stringify(previous)))
    pass.problems.push(`${at}: follows another assistant message`);
  if (role === "system" && before !== "user") pass.problems.push(`${at}: a system message follows a user message`);
}

function checkContent(pass: Pass, message: Fields, role: string, isLast: boolean, at: string): void {
  const { content } = message;
  const isPrefill = isLast && role === "assistant";
  let final: unknown;
  if (isText(content)) {
    if (content.trim() === "") pass.problems.push(`${at}: content is empty`);
    final = content;
  } else if (Array.isArray(content)) {
    if (content.length === 0) pass.problems.push(`${at}: content is empty`);
    content.forEach((block, i) => {
      checkBlock(pass, block, role, `${at}.content[${i}]`);
    });
    const types = content.map((block: unknown) => (isObject(block) ? block.type : undefined));
    const firstCall = types.indexOf("tool_use");
    if (role === "assistant" && String(types.at(-1)).endsWith("thinking"))
      pass.problems.push(`${at}: the final block cannot be thinking`);
    if (firstCall >= 0 && types.slice(firstCall).some((type) => type !== "tool_use"))
      pass.problems.push(`${at}: nothing follows tool_use blocks`);
    const last: unknown = content.at(-1);
    final = isObject(last) && last.type === "text" ? last.text : undefined;
  } else pass.problems.push(`${at}: content is a string or a list of blocks`);
  if (isPrefill && isText(final) && final.trimEnd() !== final)
    pass.problems.push(`${at}: final assistant content ends in whitespace`);
}

export function checkAnthropic(messages: readonly unknown[]): string[] {
  const pass: Pass = { problems: [], callIds: new Set(), cacheMarks: 0 };
  if (messages.length === 0) return ["messages: at least one message is required"];
  for (const [i, message] of messages.entries()) {
    const at = `messages[${i}]`;
    if (!isObject(message)) {
      pass.problems.push(`${at}: a message is an object`);
      continue;
    }
    const { role } = message;
    if (role !== "user" && role !== "assistant" && role !== "system") {
      pass.problems.push(`${at}: unknown role ${JSON.stringify(role)}`);
      continue;
    }
    if (i === 0 && role !== "user") pass.problems.push(`${at}: the first message is the user's`);
    if (i > 0) checkOrder(pass, role, messages[i - 1], at);
    for (const key of Object.keys(message))
      if (key !== "role" && key !== "content") pass.problems.push(`${at}.${key}: extra inputs are not permitted`);
    checkContent(pass, message, role, i === messages.length - 1, at);
  }
  for (let i = -1; i < messages.length; i++) checkAnswers(pass, messages[i], messages[i + 1], i);
  if (pass.cacheMarks > anthropicCacheMarksMax)
    pass.problems.push(`messages: ${pass.cacheMarks} cache marks, at most ${anthropicCacheMarksMax}`);
  return pass.problems;
}
