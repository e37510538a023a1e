/** Lines of a stream of bytes, each kept up to a bound. */

const newline = 10;

export class LineReader {
  readonly #bytesMax: number;
  readonly #onLine: (line: string, isCut: boolean) => void;
  #parts: Buffer[] = [];
  #kept = 0;
  #isCut = false;

  /** `onLine` gets each line without its end; of one that is longer than `bytesMax` its beginning, and that it is cut. */
  constructor(bytesMax: number, onLine: (line: string, isCut: boolean) => void) {
    this.#bytesMax = bytesMax;
    this.#onLine = onLine;
  }

  write(part: Buffer): void {
    let start = 0;
    for (let end = part.indexOf(newline); end >= 0; end = part.indexOf(newline, start)) {
      this.#keep(part.subarray(start, end));
      this.#flush();
      start = end + 1;
    }
    this.#keep(part.subarray(start));
  }

  /** The stream has ended: what has no line end is a line, too. */
  end(): void {
    if (this.#kept > 0) this.#flush();
  }

  #keep(part: Buffer): void {
    const room = this.#bytesMax - this.#kept;
    if (part.length > room) this.#isCut = true;
    const kept = part.subarray(0, room);
    if (kept.length > 0) this.#parts.push(kept);
    this.#kept += kept.length;
  }

  #flush(): void {
    const line = Buffer.concat(this.#parts).toString("utf8").replace(/\r$/, "");
    const isCut = this.#isCut;
    this.#parts = [];
    this.#kept = 0;
    this.#isCut = false;
    this.#onLine(line, isCut);
  }
}
