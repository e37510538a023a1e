/** Server-sent events: the fields of a stream, as far as Heddle sends them. */

import { socketSilentMs } from "../limits.ts";
import { within } from "./sleep.ts";

export interface ServerEvent {
  /** Of this event alone: Heddle's last frames (`end`, `problem`) have none. */
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: string;
}

/**
 * Events of a response body, as they arrive; ends with it, however that ends, and when nothing comes for `silentMs`: not even a
 * comment (a heartbeat), which is dropped, as a torn last event is.
 */
export async function* serverEvents(
  body: ReadableStream<Uint8Array>,
  silentMs: number = socketSilentMs,
): AsyncGenerator<ServerEvent, void, void> {
  let id: string | undefined;
  let event: string | undefined;
  let data: string[] = [];
  for await (const line of lines(body, silentMs)) {
    if (line === "") {
      if (data.length > 0) yield { id, event, data: data.join("\n") };
      id = undefined;
      event = undefined;
      data = [];
      continue;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") data.push(value);
    else if (field === "id") id = value;
    else if (field === "event") event = value;
  }
}

async function* lines(body: ReadableStream<Uint8Array>, silentMs: number): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  try {
    for (;;) {
      // One that is late, or breaks, is the body's end.
      const part = await within(
        silentMs,
        reader.read().catch(() => undefined),
      );
      if (!part?.value) return;
      const parts = (rest + decoder.decode(part.value, { stream: true })).split("\n");
      rest = parts.pop()!;
      for (const line of parts) yield line.endsWith("\r") ? line.slice(0, -1) : line;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
