/** Items in order. */

import type { Heddle } from "../heddle.ts";
import type { CallOptions } from "../transport.ts";
import type { WriteOptions } from "./map.ts";
import { type Fence, Variable, type VariableCaller } from "./variable.ts";

/** A list that all tasks share and append to. */
export class SharedList<Item = unknown> extends Variable {
  constructor(heddle: Heddle, runId: string, name: string, caller?: VariableCaller) {
    super(heddle, runId, "shared_list", name, caller);
  }

  /** Adds items at the end; `index` is that of the first of them. @throws ToolError `stale_fence`, `value_too_large` */
  append(
    items: readonly Item[],
    { fence, ...options }: CallOptions & { readonly fence?: Fence } = {},
  ): Promise<{ size: number; index: number }> {
    return this.op("append", { items, fence }, options);
  }

  /** An item, and its version. @throws ToolError `index_out_of_range` */
  get(index: number, options: CallOptions = {}): Promise<{ value: Item; version: number }> {
    return this.op("get", { index }, options);
  }

  /** Replaces an item and answers its new version. @throws ToolError `version_mismatch`, `stale_fence`, `index_out_of_range` */
  async set(index: number, value: Item, { if_version, fence, ...options }: WriteOptions = {}): Promise<number> {
    return (await this.op<{ version: number }>("set", { index, value, if_version, fence }, options)).version;
  }

  /** Items from `start` on, up to `end`, one after another, page by page; all of them by default. */
  async *items({
    start = 0,
    end,
    idempotencyKey: _,
    ...options
  }: CallOptions & { readonly start?: number; readonly end?: number } = {}) {
    for (let from: number | null = start; from !== null; ) {
      const page: { items: Item[]; next: number | null } = await this.op("slice", { start: from, end }, options);
      yield* page.items;
      from = page.next;
    }
  }

  /** How many items it has. */
  async size(options: CallOptions = {}): Promise<number> {
    return (await this.op<{ size: number }>("size", {}, options)).size;
  }
}
