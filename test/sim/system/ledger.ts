/**
 * What was asked for and what was acknowledged, each thing under a token of its own that travels in its text.
 *
 * E1. What was acknowledged is in the durable log at that moment, and stays there.
 * E2. Nothing takes effect twice, acknowledged or not, however often it was sent.
 */

const pattern = /\btk\d+\b/g;

export const tokensIn = (text: string): string[] => text.match(pattern) ?? [];

export class Ledger {
  readonly #effects = new Map<string, number>();
  readonly #acknowledged = new Set<string>();
  /** Items of lists, which are not in the log: looked at in the end. */
  readonly #items = new Map<string, { list: string; acknowledged: boolean }>();
  /** Messages of queues, and which call has got each. */
  readonly #takers = new Map<string, string>();
  #count = 0;
  adds = { asked: 0, acknowledged: 0 };

  token(): string {
    return `tk${++this.#count}`;
  }

  /** The log tells of it. */
  tookEffect(token: string): void {
    const times = (this.#effects.get(token) ?? 0) + 1;
    this.#effects.set(token, times);
    if (times > 1) throw new Error(`[E2] ${token} took effect ${times} times`);
  }

  acknowledge(token: string): void {
    this.#acknowledged.add(token);
    if (!this.#effects.has(token)) throw new Error(`[E1] ${token} was acknowledged and is not in the durable log`);
  }

  item(list: string): string {
    const token = this.token();
    this.#items.set(token, { list, acknowledged: false });
    return token;
  }

  acknowledgeItem(token: string): void {
    this.#items.get(token)!.acknowledged = true;
  }

  /** A call got these messages of a queue. */
  taken(messages: readonly unknown[], by: string): void {
    for (const message of messages) {
      const other = this.#takers.get(String(message));
      if (other !== undefined && other !== by) throw new Error(`[Q1] ${message} was given to ${other} and to ${by}`);
      this.#takers.set(String(message), by);
    }
  }

  get lists(): ReadonlySet<string> {
    return new Set([...this.#items.values()].map(({ list }) => list));
  }

  /** What a list holds in the end. */
  checkList(list: string, items: readonly string[]): void {
    if (new Set(items).size !== items.length) throw new Error(`[E2] ${list} has an item twice: ${items.join(" ")}`);
    for (const item of items)
      if (this.#items.get(item)?.list !== list) throw new Error(`[E2] ${list} has ${item}, which nobody put there`);
    for (const [token, item] of this.#items)
      if (item.list === list && item.acknowledged && !items.includes(token))
        throw new Error(`[E1] ${token} was acknowledged and is not in ${list}: ${items.join(" ")}`);
  }

  checkSum(value: number): void {
    if (value < this.adds.acknowledged || value > this.adds.asked)
      throw new Error(`[E1] ${value} after ${this.adds.acknowledged} acknowledged adds and ${this.adds.asked} in all`);
  }

  get acknowledged(): number {
    return this.#acknowledged.size + [...this.#items.values()].filter((item) => item.acknowledged).length;
  }
}
