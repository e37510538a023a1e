/**
 * A binary min-heap of numbers that knows where each one stands, so that one can be moved or removed in O(log n).
 * The order is the caller's; after a key changes, call `touch`.
 */
export class IndexedHeap {
  readonly #items: number[] = [];
  readonly #places = new Map<number, number>();
  readonly #before: (a: number, b: number) => boolean;

  constructor(before: (a: number, b: number) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  has(item: number): boolean {
    return this.#places.has(item);
  }

  peek(): number | undefined {
    return this.#items[0];
  }

  /** All items, in no order. */
  items(): readonly number[] {
    return this.#items;
  }

  /** Adds the item, or moves it to where its key now belongs. */
  touch(item: number): void {
    const place = this.#places.get(item);
    if (place === undefined) {
      this.#items.push(item);
      this.#places.set(item, this.#items.length - 1);
      this.#up(this.#items.length - 1);
    } else {
      this.#down(this.#up(place));
    }
  }

  /** True when the item was there. */
  remove(item: number): boolean {
    const place = this.#places.get(item);
    if (place === undefined) return false;
    this.#places.delete(item);
    const last = this.#items.pop()!;
    if (last !== item) {
      this.#items[place] = last;
      this.#places.set(last, place);
      this.#down(this.#up(place));
    }
    return true;
  }

  #up(start: number): number {
    let place = start;
    const item = this.#items[place]!;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (!this.#before(item, this.#items[above]!)) break;
      this.#put(this.#items[above]!, place);
      place = above;
    }
    this.#put(item, place);
    return place;
  }

  #down(start: number): number {
    let place = start;
    const item = this.#items[place]!;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= this.#items.length) break;
      if (below + 1 < this.#items.length && this.#before(this.#items[below + 1]!, this.#items[below]!)) below++;
      if (!this.#before(this.#items[below]!, item)) break;
      this.#put(this.#items[below]!, place);
      place = below;
    }
    this.#put(item, place);
    return place;
  }

  #put(item: number, place: number): void {
    this.#items[place] = item;
    this.#places.set(item, place);
  }
}
