/** A whole terminal that is drawn again and again, and given back as it was. */

import { columnsOf } from "../screen/text-width.ts";
import type { Size } from "./top-view.ts";

const csi = "\u001b[";

export class Screen {
  readonly #out: NodeJS.WriteStream;
  readonly #in: NodeJS.ReadStream;
  #resized = () => {};
  #pressed = (_keys: Buffer) => {};

  constructor(out: NodeJS.WriteStream, input: NodeJS.ReadStream) {
    this.#out = out;
    this.#in = input;
  }

  /** Takes the terminal, in its second buffer: what stood there comes back with `close`. */
  open({ resized, pressed }: { resized: () => void; pressed: (key: string) => void }): void {
    this.#out.write(`${csi}?1049h${csi}?25l`);
    this.#resized = resized;
    this.#out.on("resize", resized);
    if (!this.#in.isTTY) return;
    this.#pressed = (keys) => {
      for (const key of keys.toString()) pressed(key);
    };
    this.#in.setRawMode(true);
    this.#in.on("data", this.#pressed);
    this.#in.resume();
  }

  get size(): Size {
    return { columns: columnsOf(this.#out), rows: Math.max(4, this.#out.rows || 24) };
  }

  /** Over what is there, line by line and in one piece, so that nothing is ever blank in between. */
  draw(lines: readonly string[]): void {
    const text = lines.map((line) => `${line}${csi}K`).join("\r\n");
    this.#out.write(`${csi}?2026h${csi}H${text}${csi}J${csi}?2026l`);
  }

  close(): void {
    this.#out.off("resize", this.#resized);
    if (this.#in.isTTY) {
      this.#in.off("data", this.#pressed);
      this.#in.setRawMode(false);
      this.#in.pause();
    }
    this.#out.write(`${csi}?25h${csi}?1049l`);
  }
}
