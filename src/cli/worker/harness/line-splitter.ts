/** Bytes into lines, bounded: a line that is too long is dropped, and the next one counts again. */

import { harnessLineBytesMax } from "../../../limits.ts";

export class LineSplitter {
  readonly #onLine: (line: string) => void;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(part: Buffer): void {
    let from = 0;
    for (let end = part.indexOf(10); end >= 0; end = part.indexOf(10, from)) {
      this.#keep(part.subarray(from, end));
      this.end();
      from = end + 1;
    }
    this.#keep(part.subarray(from));
  }

  /** What is left is a line, too. */
  end(): void {
    if (this.#bytes > 0 && this.#bytes <= harnessLineBytesMax)
      this.#onLine(Buffer.concat(this.#parts).toString("utf8"));
    this.#parts = [];
    this.#bytes = 0;
  }

  #keep(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > harnessLineBytesMax) this.#parts = [];
    else if (part.length > 0) this.#parts.push(part);
  }
}
