/** The beginning and the end of a command's output, however long it is. */

import { commandHeadBytes, commandTailBytes } from "../../../limits.ts";

export class Output {
  #head = Buffer.alloc(0);
  #tail = Buffer.alloc(0);
  #bytes = 0;

  write(part: Buffer): void {
    this.#bytes += part.length;
    const room = commandHeadBytes - this.#head.length;
    if (room > 0) this.#head = Buffer.concat([this.#head, part.subarray(0, room)]);
    if (part.length > room) this.#tail = Buffer.concat([this.#tail, part.subarray(room)]).subarray(-commandTailBytes);
  }

  /** What is left out, in bytes. */
  get omitted(): number {
    return this.#bytes - this.#head.length - this.#tail.length;
  }

  get text(): string {
    if (this.omitted === 0) return Buffer.concat([this.#head, this.#tail]).toString("utf8");
    return `${this.#head.toString("utf8")}\n[… ${this.omitted} bytes left out …]\n${this.#tail.toString("utf8")}`;
  }

  /** The last line that is not empty, for a look at how far it is. */
  get lastLine(): string {
    const end = this.#tail.length > 0 ? this.#tail : this.#head;
    return end.subarray(-1024).toString("utf8").trimEnd().split("\n").at(-1)!.trim();
  }
}
