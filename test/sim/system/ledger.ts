/**
 * What was asked for and what was acknowledged, each thing under a token of its own that travels in its text.
 *
 * E1. What was acknowledged is in the durable log at that moment, and stays there.
 * E2. Nothing takes effect twice, acknowledged or not, however often it was sent.
 */

const pattern = /\btk\d+\b/g;

export const tokensIn = (text: string): string[] => text.match(pattern) ?? [];

/** What variables of one run hold, which is not in its log: looked at in the end. */
export class RunLedger {
  readonly #token: () => string;
  readonly #items = new Map<string, { list: string; acknowledged: boolean }>();
  readonly adds = { asked: 0, acknowledged: 0 };

  constructor(token: () => string) {
    this.#token = token;
  }

  item(list: string): string {
    const token = this.#token();
    this.#items.set(token, { list, acknowledged: false });
    return token;
  }

  acknowledgeItem(token: string): void {
    this.#items.get(token)!.acknowledged = true;
  }

  get lists(): ReadonlySet<string> {
    return new Set([...this.#items.values()].map(({ list }) => list));
  }

  checkList(list: string, items: readonly string[]): void {
    const said = `${list} is ${items.join(" ")}`;
    if (new Set(items).size !== items.length) throw new Error(`[E2] an item is there twice: ${said}`);
    for (const item of items)
      if (this.#items.get(item)?.list !== list) throw new Error(`[E2] nobody put ${item} there: ${said}`);
    for (const [token, item] of this.#items)
      if (item.list === list && item.acknowledged && !items.includes(token))
        throw new Error(`[E1] ${token} was acknowledged: ${said}`);
  }

  checkSum(value: number): void {
    const { asked, acknowledged } = this.adds;
    if (value < acknowledged || value > asked)
      throw new Error(`[E1] the sum is ${value} after ${acknowledged} acknowledged adds and ${asked} in all`);
  }

  get acknowledged(): number {
    return this.adds.acknowledged + [...this.#items.values()].filter((item) => item.acknowledged).length;
  }
}

export class Ledger {
  /** How often each has come true, and in which lease. */
  readonly #effects = new Map<string, { times: number; fence: number | undefined }>();
  readonly #acknowledged = new Set<string>();
  /** Messages of queues, and which call has got each. */
  readonly #takers = new Map<string, string>();
  readonly #runs = new Map<string, RunLedger>();
  #count = 0;

  token(): string {
    return `tk${++this.#count}`;
  }

  ofRun(run: string): RunLedger {
    let ledger = this.#runs.get(run);
    if (!ledger) {
      ledger = new RunLedger(() => this.token());
      this.#runs.set(run, ledger);
    }
    return ledger;
  }

  /** The log tells of it; `fence`: the lease that was open for its task. */
  tookEffect(token: string, fence: number | undefined): void {
    const times = (this.#effects.get(token)?.times ?? 0) + 1;
    this.#effects.set(token, { times, fence });
    if (times > 1) throw new Error(`[E2] ${token} took effect ${times} times`);
  }

  /** With `fence`: as an act of this lease. */
  acknowledge(token: string, fence?: number): void {
    this.#acknowledged.add(token);
    const effect = this.#effects.get(token);
    if (!effect) throw new Error(`[E1] ${token} was acknowledged and is not in the durable log`);
    if (fence !== undefined && effect.fence !== fence)
      throw new Error(`[L2] ${token} was taken from lease ${fence}, and ${effect.fence} was open`);
  }

  /** A call got these messages of a queue. */
  taken(messages: readonly unknown[], by: string): void {
    for (const message of messages) {
      const other = this.#takers.get(String(message));
      if (other !== undefined && other !== by) throw new Error(`[Q1] ${message} was given to ${other} and to ${by}`);
      this.#takers.set(String(message), by);
    }
  }

  get acknowledged(): number {
    return [...this.#runs.values()].reduce((sum, run) => sum + run.acknowledged, this.#acknowledged.size);
  }
}
