/**
 * What of a conversation a run has already, as a tree of messages: so that only what is new travels, as git does.
 *
 * K1  A message is known by its JSON text. Whatever was changed in an earlier message makes another conversation from there on.
 * K2  Forks of one run are made one after another: of calls that bring the same conversation at once, the first sends it.
 * K3  What this program did not send itself (the context of a run that it found, or from before it was restarted) is
 *     read once, from the head up, until a snapshot is found that the conversation goes on from.
 */

import type { Heddle } from "../heddle.ts";
import type { Message } from "../requests.ts";
import { unlessAborted } from "../signals.ts";
import type { CallOptions } from "../transport.ts";

interface Node {
  snapshot?: string;
  readonly next: Map<string, Node>;
}

/** The snapshots of one run that are known here. */
export class KnownContext {
  readonly #heddle: Heddle;
  readonly #run: string;
  readonly #root: Node = { next: new Map() };
  #lookUp: string | null;
  #last: Promise<unknown> = Promise.resolve();

  /** `head`: a snapshot of which only the hash is known. */
  constructor(heddle: Heddle, run: string, head: string) {
    this.#heddle = heddle;
    this.#run = run;
    this.#lookUp = head;
  }

  /** `snapshot` is this conversation. */
  learn(messages: readonly Message[], snapshot: string): void {
    let node = this.#root;
    for (const message of messages) {
      const text = JSON.stringify(message);
      let next = node.next.get(text);
      if (!next) {
        next = { next: new Map() };
        node.next.set(text, next);
      }
      node = next;
    }
    node.snapshot = snapshot;
  }

  /** The snapshot of a conversation, which is sent as far as the run lacks it. */
  snapshotOf(messages: readonly Message[], options: CallOptions = {}): Promise<string> {
    const made = this.#last.then(() => this.#sent(messages, options));
    this.#last = made.catch(() => undefined);
    // Whoever gives up does not wait for those before.
    return unlessAborted(made, options.signal);
  }

  async #sent(messages: readonly Message[], options: CallOptions): Promise<string> {
    options.signal?.throwIfAborted();
    let known = this.#longest(messages);
    while (!known && this.#lookUp !== null) {
      const { messages: those, parent } = await this.#heddle.snapshot(this.#run, this.#lookUp, {}, options);
      this.learn(those, this.#lookUp);
      this.#lookUp = parent;
      known = this.#longest(messages);
    }
    // Every tree begins with a snapshot without messages.
    if (!known) throw new Error(`run ${this.#run} has no snapshot that begins this conversation`);
    if (known.length === messages.length) return known.snapshot;
    const body = { after: known.snapshot, messages: messages.slice(known.length) };
    const { snapshot } = await this.#heddle.appendContext(this.#run, body, options);
    this.learn(messages, snapshot);
    return snapshot;
  }

  /** The longest beginning of the conversation that is a known snapshot. */
  #longest(messages: readonly Message[]): { snapshot: string; length: number } | undefined {
    let node: Node | undefined = this.#root;
    let found: { snapshot: string; length: number } | undefined;
    for (let length = 0; node; length++) {
      if (node.snapshot !== undefined) found = { snapshot: node.snapshot, length };
      if (length === messages.length) break;
      node = node.next.get(JSON.stringify(messages[length]));
    }
    return found;
  }
}
