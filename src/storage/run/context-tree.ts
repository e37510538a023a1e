/**
 * The context tree: immutable snapshots named by hash, `(parent, messages appended)`; the root of a tree is its head
 * (format, model, system, tools, params). Forking is pointing at a snapshot, so a fork stores nothing.
 *
 * T1. Messages are stored and returned as the texts received.
 * T2. The same parent and messages are the same snapshot: appending is idempotent.
 */

import { RawJson, rawElements, stringifyRaw } from "../../context/json-text.ts";
import { childHash, headHash } from "../../context/snapshot-hash.ts";
import type { ContextHead, MessageText } from "../../context/types.ts";
import { assert } from "../../errors/assert.ts";
import { Lru } from "../../lru.ts";
import { needsChunks } from "./chunks.ts";
import type { Texts } from "./texts.ts";

export interface SnapshotNode {
  readonly hash: string;
  readonly parent: string | null;
  readonly root: string;
  /** Of the whole path: messages, and UTF-16 units of their texts (close to bytes; used for estimates and bounds). */
  readonly messages: number;
  readonly bytes: number;
}

/** One step of a path: what a snapshot appended to its parent. */
export interface PathStep {
  readonly hash: string;
  readonly messages: readonly MessageText[];
}

const cacheBytes = 8 * 1024 * 1024;

export class ContextTree {
  readonly #sql: SqlStorage;
  readonly #texts: Texts;
  readonly #nodes = new Lru<string, SnapshotNode>(1024 * 1024);
  readonly #messages = new Lru<string, readonly MessageText[]>(cacheBytes);
  readonly #heads = new Map<string, ContextHead>();

  constructor(sql: SqlStorage, texts: Texts) {
    this.#sql = sql;
    this.#texts = texts;
  }

  /** Stores a root; answers its hash. */
  putHead(head: ContextHead): string {
    const hash = headHash(head);
    if (!this.find(hash)) {
      const text = JSON.stringify(head);
      this.#insert({ hash, parent: null, root: hash, messages: 0, bytes: text.length }, text);
    }
    return hash;
  }

  /** Appends messages to a snapshot that exists; no messages: the snapshot itself. */
  append(parent: string, messages: readonly MessageText[]): string {
    if (messages.length === 0) return parent;
    const hash = childHash(parent as never, messages);
    if (this.find(hash)) return hash;
    const above = this.node(parent);
    const text = `[${messages.join(",")}]`;
    this.#insert(
      { hash, parent, root: above.root, messages: above.messages + messages.length, bytes: above.bytes + text.length },
      text,
    );
    this.#messages.set(hash, messages, text.length * 2);
    return hash;
  }

  find(hash: string): SnapshotNode | undefined {
    const known = this.#nodes.get(hash);
    if (known) return known;
    const row = this.#sql
      .exec<{ parent: string | null; root: string; messages: number; bytes: number }>(
        "SELECT parent, root, messages, bytes FROM snapshots WHERE hash = ?",
        hash,
      )
      .toArray()[0];
    if (!row) return undefined;
    const node = { hash, ...row };
    this.#nodes.set(hash, node, 400);
    return node;
  }

  node(hash: string): SnapshotNode {
    const node = this.find(hash);
    assert(node, `snapshot ${hash} exists`);
    return node;
  }

  head(hash: string): ContextHead {
    const { root } = this.node(hash);
    let head = this.#heads.get(root);
    if (!head) {
      head = JSON.parse(this.#text(root)) as ContextHead;
      this.#heads.set(root, head);
    }
    return head;
  }

  /** Whether `hash` is `end`, or a snapshot that it goes back to; costs a look at each that was appended since. */
  isOnPath(hash: string, end: string): boolean {
    const { messages } = this.node(hash);
    let at = this.node(end);
    while (at.parent !== null && at.messages > messages) at = this.node(at.parent);
    return at.hash === hash;
  }

  /** What the snapshot itself appended. */
  own(hash: string): readonly MessageText[] {
    const known = this.#messages.get(hash);
    if (known) return known;
    if (this.node(hash).parent === null) return [];
    const text = this.#text(hash);
    const messages = rawElements(text);
    this.#messages.set(hash, messages, text.length * 2);
    return messages;
  }

  /** The last message of the path; undefined for a root. */
  last(hash: string): MessageText | undefined {
    return this.own(hash).at(-1);
  }

  /** The messages of the path, newest first, each step read when it is come to. */
  *newestFirst(hash: string): Generator<MessageText> {
    for (let at: string | null = hash; at !== null; at = this.node(at).parent) yield* this.own(at).toReversed();
  }

  /** Steps from the first that `known` lacks (or the root) to `hash`, oldest first; `from` is where they attach. */
  path(hash: string, known?: (hash: string) => boolean): { from: string | null; steps: PathStep[] } {
    const steps: PathStep[] = [];
    let at: string | null = hash;
    while (at !== null && !known?.(at)) {
      const node: SnapshotNode = this.node(at);
      if (node.parent !== null) steps.push({ hash: at, messages: this.own(at) });
      else return { from: null, steps: steps.reverse() };
      at = node.parent;
    }
    return { from: at, steps: steps.reverse() };
  }

  /** All messages of the path, oldest first; with `after`, those that follow that ancestor (undefined when it is none). */
  messages(hash: string, after?: string): readonly MessageText[] | undefined {
    const { from, steps } = this.path(hash, after === undefined ? undefined : (one) => one === after);
    if (after !== undefined && from !== after && after !== this.node(hash).root) return undefined;
    return steps.flatMap((step) => step.messages);
  }

  /** Snapshots after one in the order of their lengths, so that each comes after its parent. Looks through all names. */
  page(after: { messages: number; hash: string }, limit: number): SnapshotNode[] {
    return this.#sql
      .exec<{ hash: string; parent: string | null; root: string; messages: number; bytes: number }>(
        `SELECT hash, parent, root, messages, bytes FROM snapshots WHERE (messages, hash) > (?, ?)
         ORDER BY messages, hash LIMIT ?`,
        after.messages,
        after.hash,
        limit,
      )
      .toArray();
  }

  #text(hash: string): string {
    const row = this.#sql.exec<{ texts: string | null }>("SELECT texts FROM snapshots WHERE hash = ?", hash).one();
    return row.texts ?? this.#texts.get(`snapshot:${hash}`);
  }

  #insert(node: SnapshotNode, text: string): void {
    const inline = needsChunks(text) ? null : text;
    if (inline === null) this.#texts.put(`snapshot:${node.hash}`, text);
    this.#sql.exec(
      "INSERT INTO snapshots(hash, parent, root, messages, bytes, texts) VALUES(?, ?, ?, ?, ?, ?)",
      node.hash,
      node.parent,
      node.root,
      node.messages,
      node.bytes,
      inline,
    );
    this.#nodes.set(node.hash, node, 400);
  }
}

/** JSON text of `{format, model, system?, messages, tools?, params?}`, its parts as received. */
export function contextText(head: ContextHead, messages: readonly MessageText[]): string {
  return stringifyRaw({
    format: head.format,
    model: head.model,
    system: head.system === undefined ? undefined : new RawJson(head.system),
    messages: new RawJson(`[${messages.join(",")}]`),
    tools: head.tools === undefined ? undefined : new RawJson(head.tools),
    params: head.params === undefined ? undefined : new RawJson(head.params),
  });
}
