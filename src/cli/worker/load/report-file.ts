/**
 * HEDDLE_REPORT_FILE: where a command says what its worker should know while it runs. The file holds JSON objects, one a
 * line; the last one counts: `{"retry_after_ms": 30000}` says that a rate limit was met, and that nothing new should be
 * leased for so long. What is no such line is passed over: a command that writes nothing, or something else, does no harm.
 */

import { open } from "node:fs/promises";
import { loadSampleMs, reportFileBytesMax, retryAfterMsMax } from "../../../limits.ts";

/** The time that the report's last line asks for; undefined when it asks for none. */
export function retryAfterIn(text: string): number | undefined {
  for (const line of text.split("\n").reverse()) {
    try {
      const { retry_after_ms: ms } = JSON.parse(line) as { retry_after_ms?: unknown };
      if (typeof ms === "number" && ms >= 0) return Math.min(ms, retryAfterMsMax);
    } catch {
      // Not JSON, or not an object: an empty line, or one that is still being written.
    }
  }
  return undefined;
}

/** Reads the file again and again; each change that asks for a pause is told once. */
export class ReportFile {
  readonly #path: string;
  readonly #onRetryAfter: (ms: number) => void;
  #seen = "";

  constructor(path: string, onRetryAfter: (ms: number) => void) {
    this.#path = path;
    this.#onRetryAfter = onRetryAfter;
  }

  /** Reads it until `ended`, which never fails, and once more then. */
  async during<End>(ended: Promise<End>): Promise<End> {
    const looking = setInterval(() => void this.look(), loadSampleMs);
    const end = await ended;
    clearInterval(looking);
    await this.look();
    return end;
  }

  async look(): Promise<void> {
    const text = await endOf(this.#path);
    if (text === this.#seen) return;
    this.#seen = text;
    const ms = retryAfterIn(text);
    if (ms !== undefined) this.#onRetryAfter(ms);
  }
}

/** The end of a file, at most `reportFileBytesMax`; nothing where there is none. */
async function endOf(path: string): Promise<string> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return "";
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - reportFileBytesMax);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    return buffer.toString("utf8", 0, bytesRead);
  } catch {
    return "";
  } finally {
    await file.close();
  }
}
