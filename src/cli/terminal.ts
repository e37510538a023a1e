/** A block of lines at the bottom of a terminal that is drawn again and again, with permanent lines above it. */

import { columnsOf, cutText } from "./screen/text-width.ts";

export class Terminal {
  readonly #stream: NodeJS.WriteStream;
  #drawn: readonly string[] = [];

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** Replaces the block. */
  draw(lines: readonly string[]): void {
    const columns = columnsOf(this.#stream);
    const rows = Math.max(2, (this.#stream.rows || 24) - 1);
    // A line that wraps would break the count by which the block is taken back.
    const fitting = lines.slice(0, rows).map((line) => cutText(line, columns - 1));
    this.#stream.write(this.#takenBack() + fitting.map((line) => `${line}\n`).join(""));
    this.#drawn = fitting;
  }

  /** Writes a line above the block. */
  say(line: string): void {
    const block = this.#drawn.map((drawn) => `${drawn}\n`).join("");
    this.#stream.write(`${this.#takenBack()}${line}\n${block}`);
  }

  /** Takes the block away. */
  clear(): void {
    this.#stream.write(this.#takenBack());
    this.#drawn = [];
  }

  #takenBack(): string {
    return this.#drawn.length > 0 ? `\u001b[${this.#drawn.length}A\u001b[J` : "";
  }
}
