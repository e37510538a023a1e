// A log file with a bound: at most two files of 8 MiB, the older one beside the newer.

import { appendFileSync, readFileSync, renameSync, statSync } from "node:fs";

const fileBytesMax = 8 * 1024 * 1024;

export class LogFile {
  #bytes;

  constructor(path) {
    this.path = path;
    this.#bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  append(text) {
    const bytes = Buffer.byteLength(text);
    if (this.#bytes > 0 && this.#bytes + bytes > fileBytesMax) {
      renameSync(this.path, `${this.path}.1`);
      this.#bytes = 0;
    }
    appendFileSync(this.path, text, { mode: 0o600 });
    this.#bytes += bytes;
  }

  /** The last lines, blank ones left out, of what was written since the last line that begins with `from`. */
  tail(lines, from) {
    try {
      const all = readFileSync(this.path, "utf8")
        .split("\n")
        .filter((line) => line.trim() !== "");
      const start = all.findLastIndex((line) => line.startsWith(from));
      return all
        .slice(start + 1)
        .slice(-lines)
        .join("\n");
    } catch {
      return "";
    }
  }
}
