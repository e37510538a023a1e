/** How long nobody has opened a seat, in storage: it outlives the object's memory, as the waits that follow from it do (seats.ts, O2). */

import type { RunStore } from "../../storage/run/run-store.ts";
import type { Lateness, Seats } from "./seats.ts";

const metaName = "seats_late";

export class KeptLateness {
  readonly #boot: string;
  /** As it is stored. */
  #kept = "";

  /** `boot`: of the runtime, whose queues it is about. */
  constructor(boot: string) {
    this.#boot = boot;
  }

  keep(store: RunStore, { lateness }: Seats): void {
    const kept = lateness ? JSON.stringify({ ...lateness, boot: this.#boot }) : "";
    if (kept === this.#kept) return;
    store.setMeta(metaName, kept);
    this.#kept = kept;
  }

  /** Of another runtime's queues it says nothing. */
  restore(store: RunStore, seats: Seats): void {
    this.#kept = store.meta(metaName) ?? "";
    if (this.#kept === "") return;
    const { boot, ...lateness } = JSON.parse(this.#kept) as Lateness & { readonly boot: string };
    if (boot === this.#boot) seats.restore(lateness);
  }

  forget(): void {
    this.#kept = "";
  }
}
