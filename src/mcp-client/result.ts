/** What an MCP server answered, as a tool's result. */

interface Block {
  readonly type: string;
  readonly [more: string]: unknown;
}

export interface Answer {
  readonly content?: readonly Block[];
  readonly structuredContent?: unknown;
  readonly isError?: boolean | undefined;
}

/**
 * The structured value if there is one, else the text of a text, else the blocks. Pictures and sounds are named and left out: a tool's
 * result is text or JSON, and nobody reads base64.
 */
export function resultOf({ content = [], structuredContent, isError = false }: Answer): {
  readonly result: unknown;
  readonly isError: boolean;
} {
  if (structuredContent !== undefined && !isError) return { result: structuredContent, isError };
  if (content.every(({ type }) => type === "text"))
    return { result: content.map(({ text }) => String(text)).join("\n"), isError };
  return { result: content.map(withoutBytes), isError };
}

function withoutBytes(block: Block): Block {
  const { type } = block;
  if (type === "image" || type === "audio") return { type, mimeType: block.mimeType, left_out: sizeOf(block.data) };
  if (type !== "resource") return block;
  const { blob, ...resource } = (block.resource ?? {}) as Record<string, unknown>;
  return blob === undefined ? block : { type, resource: { ...resource, left_out: sizeOf(blob) } };
}

const sizeOf = (base64: unknown): string => `${Math.floor((String(base64).length * 3) / 4)} bytes`;
