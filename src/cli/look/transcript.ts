/** A context as people read it, of either vendor's format; what it does not know it shows as JSON. */

import type { ContextView } from "../../client/replies.ts";
import type { Message } from "../../client/requests.ts";
import { manyLines, oneLine } from "../plain-text.ts";
import type { Paint } from "../screen/colours.ts";

type Block = Readonly<Record<string, unknown>>;

export function transcriptText({ format, model, system, messages, tools }: ContextView, paint: Paint): string {
  const about = [
    `${format} format`,
    model !== undefined && `model ${oneLine(model)}`,
    `${messages.length} messages`,
    tools !== undefined && `tools ${tools.map(toolName).join(", ")}`,
  ];
  const parts = [paint(about.filter(Boolean).join(", "), "dim")];
  const add = (who: string, text: string): void => void parts.push(`${paint(`── ${who}`, "bold")}\n${text}`);
  if (system !== undefined) add("system", contentText(system));
  for (const message of messages) add(oneLine(message.role), messageText(message));
  return parts.join("\n\n");
}

function messageText({ content, tool_calls, tool_call_id }: Message): string {
  const lines: string[] = [];
  if (tool_call_id !== undefined) lines.push(`[result of ${oneLine(tool_call_id)}]`);
  if (content !== null && content !== undefined && content !== "") lines.push(contentText(content));
  for (const call of Array.isArray(tool_calls) ? (tool_calls as Block[]) : []) {
    const { name, arguments: args } = (call.function ?? {}) as Block;
    lines.push(`[calls ${oneLine(String(name))}, ${oneLine(String(call.id))}] ${manyLines(String(args))}`);
  }
  return lines.join("\n");
}

function contentText(content: unknown): string {
  if (typeof content === "string") return manyLines(content);
  return Array.isArray(content) ? content.map((block) => blockText(block as Block)).join("\n") : json(content);
}

function blockText(block: Block): string {
  switch (block.type) {
    case "text":
      return manyLines(String(block.text));
    case "tool_use":
      return `[calls ${oneLine(String(block.name))}, ${oneLine(String(block.id))}] ${json(block.input)}`;
    case "tool_result": {
      const what = block.is_error === true ? "error" : "result";
      return `[${what} of ${oneLine(String(block.tool_use_id))}]\n${contentText(block.content ?? "")}`;
    }
    case "thinking":
      return `[thinks] ${manyLines(String(block.thinking))}`;
    default:
      return `[${oneLine(String(block.type ?? "block"))}] ${json(block)}`;
  }
}

const toolName = (tool: object): string => {
  const { name, function: of } = tool as { name?: unknown; function?: { name?: unknown } };
  return oneLine(String(name ?? of?.name ?? "?"));
};

const json = (value: unknown): string => oneLine(JSON.stringify(value) ?? "");
