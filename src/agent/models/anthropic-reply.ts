/**
 * The events of an Anthropic message stream → one reply.
 *
 * The SDK's own accumulator parses tool inputs and would have us print them again; here the text that was streamed goes
 * into the message as it came, so that numbers and key order survive the way back to the vendor.
 *
 * 1. `message` holds what the vendor takes back: role and content blocks, thinking with its signature, no fields of the SDK.
 * 2. Blocks that the vendor would refuse are left out: blank text, and what was cut in two (by the output limit, or by a refusal in the
 *    middle of a reply): a tool call, or thinking that is not signed yet.
 * 3. `input_tokens` are all input tokens; the vendor's own count leaves out what was read from or written to the cache. What a server
 *    that speaks the format does not count is estimated.
 */

import type { RawContentBlockDelta, RawMessageStreamEvent } from "@anthropic-ai/sdk/resources/messages/messages";
import { noText } from "../../context/calls.ts";
import type { ToolCall, Usage } from "../../context/types.ts";
import { MalformedStream } from "./faults.ts";
import { isJson } from "./fields.ts";
import type { ModelReply } from "./port.ts";
import type { Fold } from "./streamed-call.ts";
import { estimatedUsage, tokenCount } from "./token-count.ts";

interface Block {
  readonly fields: Record<string, unknown>;
  /** The streamed pieces of `input`, joined: JSON text. */
  input: string;
}

const counters = ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"] as const;
type Counts = { [Name in (typeof counters)[number]]?: number };

/** Stands in for the text of a reply that was cut off before it said anything. */
const cutOffText = "(cut off at the output limit)";

/** A reply that ends so may say nothing: the model is done, after the results of its calls mostly. */
const silences = new Set(["end_turn", "stop_sequence", "refusal"]);

/** The vendor's own tools took too long, or it was asked to stop after a compaction: the rest comes when the content is sent back. */
const pauses = new Set(["pause_turn", "compaction"]);

/** `promptChars` stands in for what servers don't report of the usage. */
export function anthropicFold(
  promptChars: number,
  onText: (text: string) => void = () => {},
): Fold<RawMessageStreamEvent> {
  const blocks: Block[] = [];
  let started = false;
  let stopReason: string | undefined;
  const counts: Counts = {};

  const count = (usage: object | null | undefined) => {
    // Counters of later events are totals that replace earlier ones; absent or null ones say nothing.
    for (const key of counters) {
      const value = (usage as Record<string, unknown> | null | undefined)?.[key];
      if (typeof value === "number") counts[key] = tokenCount(value);
    }
  };

  return {
    add(event) {
      if (event.type === "message_start") {
        if (started) throw new MalformedStream("The provider's stream started a second message.");
        started = true;
        count(event.message?.usage);
        return;
      }
      if (!started) throw new MalformedStream("The provider's stream does not start with a message.");
      switch (event.type) {
        case "content_block_start":
          if (event.index !== blocks.length) throw new MalformedStream("The provider's stream skips a content block.");
          blocks.push({ fields: { ...event.content_block }, input: "" });
          if (event.content_block?.type === "text" && event.content_block.text) onText(event.content_block.text);
          return;
        case "content_block_delta": {
          const block = blocks[event.index];
          if (!block) throw new MalformedStream("The provider's stream continues a block that it has not started.");
          addDelta(block, event.delta);
          if (event.delta?.type === "text_delta" && event.delta.text) onText(event.delta.text);
          return;
        }
        case "message_delta":
          stopReason = event.delta?.stop_reason ?? stopReason;
          count(event.usage);
          return;
      }
    },
    reply() {
      if (stopReason === undefined) return undefined;
      const cutBy = stopReason === "model_context_window_exceeded" ? "window" : "output_limit";
      const cut = stopReason === "max_tokens" || cutBy === "window";
      const isRefused = stopReason === "refusal";
      const whole = blocks.filter((block, i) => keeps(block, cut || isRefused, i === blocks.length - 1));
      settleIds(whole);
      const calls = whole.flatMap(callOf);
      const text = whole.map(({ fields }) => (fields.type === "text" ? fields.text : "")).join("");
      if (whole.length === 0 && !cut && !silences.has(stopReason))
        throw new MalformedStream("The provider's reply is empty.");
      const content = whole.map(blockText);
      // The vendor takes back no message that is empty, nor one that ends in reasoning.
      const last = whole.at(-1);
      if (!last || isReasoning(last)) content.push(JSON.stringify({ type: "text", text: cut ? cutOffText : noText }));
      const message = `{"role":"assistant","content":[${content.join(",")}]}`;
      return {
        message,
        text,
        calls,
        usage: usageOf(counts, estimatedUsage(promptChars, message.length)),
        stop: isRefused ? "refusal" : cut ? cutBy : stopOf(stopReason, calls.length),
      } satisfies ModelReply;
    },
  };
}

/** A paused reply with calls goes on with their results. */
function stopOf(reason: string, calls: number): ModelReply["stop"] {
  if (calls > 0) return "calls";
  return pauses.has(reason) ? "paused" : "end";
}

function addDelta(block: Block, delta: RawContentBlockDelta): void {
  const { fields } = block;
  switch (delta.type) {
    case "input_json_delta":
      block.input += delta.partial_json;
      return;
    case "citations_delta":
      if (!Array.isArray(fields.citations)) fields.citations = [];
      (fields.citations as unknown[]).push(delta.citation);
      return;
    case "signature_delta":
      fields.signature = delta.signature;
      return;
    default:
      // Text, thinking, and kinds of delta that came after this was written: strings grow, other values replace.
      for (const [key, value] of Object.entries(delta ?? {})) {
        if (key === "type") continue;
        const before = fields[key];
        fields[key] = typeof value === "string" && typeof before === "string" ? before + value : (value ?? before);
      }
  }
}

function keeps({ fields, input }: Block, cut: boolean, isLast: boolean): boolean {
  if (fields.type === "text") return typeof fields.text === "string" && fields.text.trim() !== "";
  if (cut && isLast) {
    // Cut before its arguments began, it looks as a call without any.
    if (fields.type === "tool_use" && inputText({ fields, input }) === "{}") return false;
    if (fields.type === "thinking" && !fields.signature) return false;
  }
  if (input === "" || isJson(input)) return true;
  if (cut) return false;
  throw new MalformedStream("The provider's stream holds a tool call whose input is not JSON.");
}

const isReasoning = ({ fields: { type } }: Block): boolean => type === "thinking" || type === "redacted_thinking";

const inputText = ({ fields, input }: Block): string => (input === "" ? JSON.stringify(fields.input ?? {}) : input);

function blockText(block: Block): string {
  const members = Object.entries(block.fields).map(([key, value]) =>
    key === "input" ? `"input":${inputText(block)}` : `${JSON.stringify(key)}:${JSON.stringify(value)}`,
  );
  return `{${members.join(",")}}`;
}

/** Some servers of the format give parallel calls one id, or none: the second would be taken for the first, and never be carried out. */
function settleIds(blocks: readonly Block[]): void {
  const ids = new Set<unknown>();
  for (const { fields } of blocks) {
    if (fields.type !== "tool_use") continue;
    if (typeof fields.id !== "string" || fields.id === "" || ids.has(fields.id))
      fields.id = `toolu_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`;
    ids.add(fields.id);
  }
}

/** @throws MalformedStream for a call without a name */
function callOf(block: Block): ToolCall[] {
  const { type, id, name } = block.fields;
  if (type !== "tool_use") return [];
  if (typeof id !== "string" || typeof name !== "string" || name === "")
    throw new MalformedStream("The provider's reply calls a tool without a name.");
  return [{ id, name, arguments: inputText(block) }];
}

function usageOf(counts: Counts, estimated: Usage): Usage {
  const { input_tokens: rest, cache_read_input_tokens: read = 0, cache_creation_input_tokens: written = 0 } = counts;
  return {
    input_tokens: tokenCount(
      rest === undefined ? Math.max(estimated.input_tokens, read + written) : rest + read + written,
    ),
    output_tokens: counts.output_tokens ?? estimated.output_tokens,
    cache_read_tokens: read,
    cache_write_tokens: written,
  };
}
