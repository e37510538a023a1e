/** Keys and values. */

import { everyRow } from "../every-row.ts";
import type { Heddle } from "../heddle.ts";
import type { CallOptions } from "../transport.ts";
import { isToolError } from "./errors.ts";
import { type Fence, Variable, type VariableCaller } from "./variable.ts";

/** Of writes. */
export interface WriteOptions extends CallOptions {
  /** Write only if this is still the version; 0: only if nothing is there. Else `version_mismatch`. */
  readonly if_version?: number | undefined;
  /** The hold that guards the write. */
  readonly fence?: Fence | undefined;
}

/** An entry of a map. */
export interface MapEntry<Value> {
  /** Its key. */
  readonly key: string;
  /** Its value. */
  readonly value: Value;
  /** Counts its writes. */
  readonly version: number;
}

/** Keys and JSON values that all tasks share. */
export class SharedMap<Value = unknown> extends Variable {
  constructor(heddle: Heddle, runId: string, name: string, caller?: VariableCaller) {
    super(heddle, runId, "shared_map", name, caller);
  }

  /** The value, or undefined. */
  async get(key: string, options: CallOptions = {}): Promise<Value | undefined> {
    const { value, version } = await this.entry(key, options);
    return version === 0 ? undefined : (value as Value);
  }

  /** The value with its version; null and 0 where the key is absent. */
  entry(key: string, options: CallOptions = {}): Promise<{ value: Value | null; version: number }> {
    return this.op("get", { key }, options);
  }

  /** Writes and answers the new version. @throws ToolError `version_mismatch`, `stale_fence`, `value_too_large` */
  async set(key: string, value: Value, { if_version, fence, ...options }: WriteOptions = {}): Promise<number> {
    return (await this.op<{ version: number }>("set", { key, value, if_version, fence }, options)).version;
  }

  /** Takes the key away; false where it was absent. @throws ToolError `version_mismatch`, `stale_fence` */
  async delete(key: string, { if_version, fence, ...options }: WriteOptions = {}): Promise<boolean> {
    return (await this.op<{ deleted: boolean }>("delete", { key, if_version, fence }, options)).deleted;
  }

  /** Adds to a number (0 where the key is absent) and answers the new one. @throws ToolError `not_a_number`, `not_exact` */
  async increment(key: string, delta = 1, options: CallOptions & { readonly fence?: Fence } = {}): Promise<number> {
    const { fence, ...call } = options;
    return (await this.op<{ value: number }>("increment", { key, delta, fence }, call)).value;
  }

  /**
   * Changes a value so that no write of another is lost: reads, asks `change`, writes if nobody wrote in between, else again.
   * Answers what was written.
   */
  async update(
    key: string,
    change: (value: Value | undefined) => Value | Promise<Value>,
    options: CallOptions & { readonly fence?: Fence } = {},
  ): Promise<Value> {
    const { idempotencyKey: _, fence, ...call } = options;
    for (;;) {
      const { value, version } = await this.entry(key, call);
      const next = await change(version === 0 ? undefined : (value as Value));
      try {
        await this.set(key, next, { ...call, fence, if_version: version });
        return next;
      } catch (error) {
        if (!isToolError(error, "version_mismatch")) throw error;
      }
    }
  }

  /** Entries in the order of their keys, page by page; with `prefix`, those whose keys begin so. */
  entries({
    prefix,
    idempotencyKey: _,
    ...options
  }: CallOptions & { readonly prefix?: string } = {}): AsyncGenerator<MapEntry<Value>, void, void> {
    type Page = { entries: MapEntry<Value>[]; next_cursor: string | null };
    return everyRow(
      (at) => this.op<Page>("entries", { prefix, ...at }, options),
      ({ entries }) => entries,
    );
  }

  /** How many keys it has. */
  async size(options: CallOptions = {}): Promise<number> {
    return (await this.op<{ size: number }>("size", {}, options)).size;
  }
}
