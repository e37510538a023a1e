/** Virtual time: what will happen, in order. Nothing happens but by it, one thing at a time. */

export interface Entry {
  readonly at: number;
  /** Of things at the same time, the one that was planned first goes first. */
  readonly order: number;
  readonly label: string;
  readonly act: () => void;
  /** It has happened, or will not. */
  over: boolean;
}

export class Timeline {
  now: number;
  readonly #heap: Entry[] = [];
  #order = 0;

  constructor(now: number) {
    this.now = now;
  }

  plan(inMs: number, label: string, act: () => void): Entry {
    const entry = { at: this.now + Math.max(0, inMs), order: ++this.#order, label, act, over: false };
    this.#heap.push(entry);
    this.#up(this.#heap.length - 1);
    return entry;
  }

  /** The next thing that happens, until `end`; time is then as late as it, or as `end`. */
  next(end: number): Entry | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (!first || (first.at > end && !first.over)) {
        this.now = Math.max(this.now, Math.min(end, first?.at ?? this.now));
        return undefined;
      }
      const entry = this.#pop()!;
      if (entry.over) continue;
      entry.over = true;
      this.now = entry.at;
      return entry;
    }
  }

  /** What is still to happen. */
  get planned(): readonly Entry[] {
    return this.#heap.filter((entry) => !entry.over);
  }

  #pop(): Entry | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    heap[0] = last;
    for (let i = 0; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < heap.length && before(heap[child]!, heap[least]!)) least = child;
      if (least === i) return first;
      [heap[i], heap[least]] = [heap[least]!, heap[i]!];
      i = least;
    }
  }

  #up(from: number): void {
    const heap = this.#heap;
    for (let i = from; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (!before(heap[i]!, heap[parent]!)) return;
      [heap[i], heap[parent]] = [heap[parent]!, heap[i]!];
      i = parent;
    }
  }
}

const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
