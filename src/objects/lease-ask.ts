/** What a pull worker asks a tenant's gate for, and what it has been granted of that so far. */

import type { Grant, LoadView } from "../contract/shapes.ts";
import { leaseContextBytesMax } from "../limits.ts";
import type { LeaseWishes } from "./rpc.ts";

export type LeaseAsk = {
  readonly tenant: string;
  readonly pool: string;
  readonly worker: string;
  readonly max: number;
  readonly load?: LoadView;
} & LeaseWishes;

export class Granted {
  readonly #ask: LeaseAsk;
  readonly all: Grant[] = [];
  #room = leaseContextBytesMax;

  constructor(ask: LeaseAsk) {
    this.#ask = ask;
  }

  get isEnough(): boolean {
    return this.all.length >= this.#ask.max || this.#room <= 0;
  }

  /** What the next run is asked for. */
  get rest() {
    const { tenant: _, max, ...ask } = this.#ask;
    return { ...ask, max: Math.max(0, max - this.all.length), contextBytes: Math.max(0, this.#room) };
  }

  add(grants: readonly Grant[]): void {
    for (const grant of grants) this.#room -= sizeOf(grant);
    this.all.push(...grants);
  }
}

/** What a grant's texts take of an answer. */
const sizeOf = (grant: Grant): number =>
  "call" in grant ? grant.argumentsText.length : (grant.contextText?.length ?? 0);
