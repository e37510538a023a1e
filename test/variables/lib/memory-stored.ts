/** A variable in memory: what the object's storage is to a kind, with a count of what is read. */

import { decide, initialHead } from "../../../src/variables/index.ts";
import type { Answer, Entry, Json, Stored } from "../../../src/variables/kind.ts";
import type { DataKind, VariableCall, VariableOps } from "../../../src/variables/ops.ts";

export class MemoryVariable<Kind extends DataKind> implements Stored {
  readonly #kind: Kind;
  readonly #entries = new Map<string, Entry>();
  #head: Json;
  #text = "";
  /** Entries that were read since it was last set to 0. */
  reads = 0;

  constructor(kind: Kind) {
    this.#kind = kind;
    this.#head = initialHead(kind);
  }

  do(op: VariableOps[Kind]): Answer {
    const decision = decide(this.#head, this, { name: "v", kind: this.#kind, op } as unknown as VariableCall);
    if ("error" in decision.answer) {
      if (decision.head !== undefined || decision.put || decision.remove || decision.text !== undefined)
        throw new Error("V2: an error changes something");
      return decision.answer;
    }
    for (const key of decision.remove ?? []) this.#entries.delete(key);
    for (const [key, entry] of decision.put ?? []) this.#entries.set(key, entry);
    this.#text = decision.text ?? this.#text;
    this.#head = decision.head ?? this.#head;
    return decision.answer;
  }

  /** The answer's result. @throws Error when it was refused */
  get(op: VariableOps[Kind]): { [field: string]: never } {
    const answer = this.do(op);
    if ("error" in answer) throw new Error(JSON.stringify(answer.error));
    return answer.result as { [field: string]: never };
  }

  /** The code of the refusal; "ok" when it was none. */
  code(op: VariableOps[Kind]): string {
    const answer = this.do(op);
    return "error" in answer ? answer.error.code : "ok";
  }

  entry(key: string): Entry | undefined {
    this.reads++;
    return this.#entries.get(key);
  }

  *from(key: string): Generator<readonly [string, Entry]> {
    const start = Buffer.from(key);
    const sorted = [...this.#entries].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const [name, entry] of sorted) {
      if (Buffer.compare(Buffer.from(name), start) < 0) continue;
      this.reads++;
      yield [name, entry];
    }
  }

  text(): string {
    return this.#text;
  }
}
