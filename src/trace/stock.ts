/** What can be taken once (messages, room for them, permits), oldest first, by the places that gave it; -1: it was there from the beginning. */

export class Stock {
  readonly #parts: { readonly place: number; count: number }[];
  #first = 0;

  constructor(count: number) {
    this.#parts = count > 0 ? [{ place: -1, count }] : [];
  }

  put(place: number, count: number): void {
    this.#parts.push({ place, count });
  }

  /** Where the next `count` come from. */
  *next(count: number): Generator<number> {
    for (let i = this.#first, left = count; left > 0 && i < this.#parts.length; i++) {
      const part = this.#parts[i]!;
      yield part.place;
      left -= part.count;
    }
  }

  take(count: number): void {
    for (let left = count; left > 0 && this.#first < this.#parts.length; ) {
      const part = this.#parts[this.#first]!;
      const taken = Math.min(left, part.count);
      left -= taken;
      part.count -= taken;
      if (part.count === 0) this.#first++;
    }
    if (this.#first < 1000 || this.#first < this.#parts.length / 2) return;
    this.#parts.splice(0, this.#first);
    this.#first = 0;
  }
}
