/**
 * Conversations of the AI SDK in a vendor's format, as a fork needs them. What a fork can't take along is said in its place:
 * files that only the loop's provider knows, and tools that a provider ran by itself. Reasoning is left out, since it is
 * signed for the very request that it was part of.
 */

import type { LanguageModelMiddleware } from "ai";
import type { Message } from "../client/index.ts";

type Generate = NonNullable<LanguageModelMiddleware["wrapGenerate"]>;
/** What a model is asked, as providers get it. */
export type Prompt = Parameters<Generate>[0]["params"]["prompt"];
/** What it replies. */
export type Reply = readonly Awaited<ReturnType<Generate>>["content"][number][];

/** A part of a message, of a prompt or of a reply: they differ in what they hold beside this. */
interface Part {
  readonly type: string;
  readonly text?: string;
  readonly toolCallId?: string;
  readonly toolName?: string;
  /** An object; in a reply, its JSON text. */
  readonly input?: unknown;
  readonly output?: { readonly type: string; readonly value?: unknown; readonly reason?: string };
  readonly mediaType?: string;
  readonly data?: unknown;
  readonly providerExecuted?: boolean;
}

/** What was asked for, and the reply to it. */
export interface Exchange {
  /** The messages that the reply answers. */
  readonly prompt: Prompt;
  /** The reply. */
  readonly reply: Reply;
  /** It ended in the middle. */
  readonly isCut?: boolean;
}

/** The conversation up to and with the reply. Anthropic's system text is the run's own and no message. */
export function conversationOf({ prompt, reply }: Exchange, format: "anthropic" | "openai"): Message[] {
  const write = format === "anthropic" ? anthropicMessages : openaiMessages;
  return [...prompt, { role: "assistant" as const, content: reply as readonly Part[] }].flatMap(({ role, content }) =>
    write(role, typeof content === "string" ? content : (content as readonly Part[])),
  );
}

const isCall = (part: Part) => part.type === "tool-call" && part.providerExecuted !== true;

function anthropicMessages(role: string, content: string | readonly Part[]): Message[] {
  if (role === "system") return [];
  if (typeof content === "string") return [{ role, content }];
  if (role === "tool") {
    const results = content.filter((part) => part.type === "tool-result");
    return results.length === 0 ? [] : [{ role: "user", content: results.map(anthropicResult) }];
  }
  const blocks = content.flatMap((part): object[] => {
    if (isCall(part)) return [{ type: "tool_use", id: part.toolCallId, name: part.toolName, input: inputOf(part) }];
    const image = role === "user" ? anthropicImage(part) : undefined;
    if (image) return [image];
    const text = textOf(part);
    return text === "" ? [] : [{ type: "text", text }];
  });
  return blocks.length === 0 ? [] : [{ role, content: blocks }];
}

const anthropicResult = (part: Part) => ({
  type: "tool_result",
  tool_use_id: part.toolCallId,
  content: resultText(part),
  ...(isErrorResult(part) && { is_error: true }),
});

function anthropicImage({ type, mediaType, data }: Part): object | undefined {
  const source = type === "file" && mediaType?.startsWith("image/") ? sourceOf(data) : undefined;
  if (!source || !mediaType) return undefined;
  if ("url" in source) return { type: "image", source: { type: "url", url: source.url } };
  return { type: "image", source: { type: "base64", media_type: mediaType, data: source.base64 } };
}

function openaiMessages(role: string, content: string | readonly Part[]): Message[] {
  if (typeof content === "string") return [{ role, content }];
  if (role === "tool")
    return content
      .filter((part) => part.type === "tool-result")
      .map((part) => ({ role, tool_call_id: part.toolCallId!, content: resultText(part) }));
  if (role === "user") {
    const parts = content.flatMap((part): object[] => {
      const image = openaiImage(part);
      return image ? [image] : [{ type: "text", text: textOf(part) }];
    });
    return [{ role, content: parts }];
  }
  const text = content.map(textOf).join("");
  const calls = content.filter(isCall).map((part) => ({
    id: part.toolCallId,
    type: "function",
    function: { name: part.toolName, arguments: JSON.stringify(inputOf(part)) },
  }));
  if (text === "" && calls.length === 0) return [];
  return [{ role, content: text === "" ? null : text, ...(calls.length > 0 && { tool_calls: calls }) }];
}

function openaiImage({ type, mediaType, data }: Part): object | undefined {
  const source = type === "file" && mediaType?.startsWith("image/") ? sourceOf(data) : undefined;
  if (!source) return undefined;
  const url = "url" in source ? source.url : `data:${mediaType};base64,${source.base64}`;
  return { type: "image_url", image_url: { url } };
}

/** Files come as bytes, as base64, or as where they are; those that only one provider knows by a name stay behind. */
function sourceOf(data: unknown): { url: string } | { base64: string } | undefined {
  if (data instanceof URL) return { url: data.href };
  if (typeof data === "string") return /^https?:/.test(data) ? { url: data } : { base64: data };
  if (data instanceof Uint8Array) return { base64: base64Of(data) };
  const tagged = data as { type?: string; data?: unknown; url?: unknown } | undefined;
  if (tagged?.type === "data") return sourceOf(tagged.data);
  if (tagged?.type === "url") return { url: String(tagged.url) };
  return undefined;
}

function base64Of(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function textOf(part: Part): string {
  if (part.type === "text") return part.text ?? "";
  if (part.type === "file") return `[a file (${part.mediaType ?? "of unknown type"}) that did not come along]`;
  if (part.type === "tool-call" && !isCall(part)) return `[the provider ran ${part.toolName}]`;
  return "";
}

/** What a model wrote that is no object the SDK refuses, and has as an empty one from then on: the calls beside it are good. */
function inputOf({ input }: Part): object {
  try {
    const value: unknown = typeof input === "string" ? JSON.parse(input || "{}") : input;
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

const isErrorResult = ({ output }: Part): boolean => /^error-|^execution-denied$/.test(output?.type ?? "");

function resultText({ output }: Part): string {
  if (output?.type === "execution-denied") return output.reason ?? "The call was not allowed.";
  const value = output?.value;
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "null");
}
