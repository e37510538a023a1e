/**
 * Vector clocks that share what they have in common: big-endian Patricia tries (Okasaki and Gill, "Fast mergeable integer maps",
 * 1998), never changed, so that a task's clock is its creator's until it does something of its own.
 *
 * C1. `join` answers one of its arguments where that holds the other: equal clocks stay one object, and are joined at once.
 * C2. A change costs as many nodes as there are bits between the keys; a join of clocks that differ in few places, as few.
 */

interface Leaf {
  readonly key: number;
  readonly time: number;
}

interface Branch {
  /** The bits above `bit` that all keys have in common. */
  readonly prefix: number;
  /** The highest bit in which they differ. */
  readonly bit: number;
  /** Keys without that bit, and with it. */
  readonly zero: Node;
  readonly one: Node;
}

type Node = Leaf | Branch;

/** By party, the newest time of it that is known; undefined: nothing of anybody. */
export type Clock = Node | undefined;

const isLeaf = (node: Node): node is Leaf => "key" in node;
const above = (key: number, bit: number): number => key & ~(bit | (bit - 1));
const holds = ({ prefix, bit }: Branch, key: number): boolean => above(key, bit) === prefix;

/** 0: nothing of that party. Parties are numbers from 0 on. */
export function timeOf(clock: Clock, party: number): number {
  let node = clock;
  while (node && !isLeaf(node)) {
    if (!holds(node, party)) return 0;
    node = party & node.bit ? node.one : node.zero;
  }
  return node?.key === party ? node.time : 0;
}

export class Clocks {
  /** Nodes that were made. */
  made = 0;

  raise(clock: Clock, party: number, time: number): Clock {
    if (timeOf(clock, party) >= time) return clock;
    this.made++;
    return this.join(clock, { key: party, time });
  }

  join(a: Clock, b: Clock): Clock {
    if (a === b || b === undefined) return a;
    return a === undefined ? b : this.#join(a, b);
  }

  #join(a: Node, b: Node): Node {
    if (a === b) return a;
    if (isLeaf(a)) return isLeaf(b) && b.key === a.key ? later(a, b) : this.#put(b, a);
    if (isLeaf(b)) return this.#put(a, b);
    if (a.bit === b.bit && a.prefix === b.prefix) {
      const zero = this.#join(a.zero, b.zero);
      const one = this.#join(a.one, b.one);
      if (zero === a.zero && one === a.one) return a;
      if (zero === b.zero && one === b.one) return b;
      return this.#branch(a.prefix, a.bit, zero, one);
    }
    if (a.bit > b.bit && holds(a, b.prefix)) return this.#below(a, b);
    if (b.bit > a.bit && holds(b, a.prefix)) return this.#below(b, a);
    return this.#pair(a.prefix, a, b.prefix, b);
  }

  /** `low` lies within one side of `high`. */
  #below(high: Branch, low: Branch): Node {
    const side = low.prefix & high.bit ? "one" : "zero";
    return this.#with(high, side, this.#join(high[side], low));
  }

  #put(node: Node, leaf: Leaf): Node {
    if (isLeaf(node)) return node.key === leaf.key ? later(node, leaf) : this.#pair(node.key, node, leaf.key, leaf);
    if (!holds(node, leaf.key)) return this.#pair(node.prefix, node, leaf.key, leaf);
    const side = leaf.key & node.bit ? "one" : "zero";
    return this.#with(node, side, this.#put(node[side], leaf));
  }

  #with(branch: Branch, side: "zero" | "one", node: Node): Branch {
    if (branch[side] === node) return branch;
    const { prefix, bit, zero, one } = branch;
    return side === "zero" ? this.#branch(prefix, bit, node, one) : this.#branch(prefix, bit, zero, node);
  }

  /** Of two nodes that have no key in common. */
  #pair(p: number, a: Node, q: number, b: Node): Branch {
    const bit = 1 << (31 - Math.clz32(p ^ q));
    return p & bit ? this.#branch(above(p, bit), bit, b, a) : this.#branch(above(p, bit), bit, a, b);
  }

  #branch(prefix: number, bit: number, zero: Node, one: Node): Branch {
    this.made++;
    return { prefix, bit, zero, one };
  }
}

const later = (a: Leaf, b: Leaf): Leaf => (b.time > a.time ? b : a);
