/** A value that is given once. */

import type { Heddle } from "../heddle.ts";
import type { CallOptions } from "../transport.ts";
import { FutureRejected } from "./errors.ts";
import type { PopOptions } from "./queue.ts";
import { Variable, type VariableCaller } from "./variable.ts";

/** What a future is now. */
export type FutureState<Value> =
  | { readonly state: "pending" }
  | { readonly state: "resolved"; readonly value: Value }
  | { readonly state: "rejected"; readonly error: unknown };

/** A value that is given once and that others wait for. */
export class Future<Value = unknown> extends Variable {
  constructor(heddle: Heddle, runId: string, name: string, caller?: VariableCaller) {
    super(heddle, runId, "future", name, caller);
  }

  /** Gives the value. @throws ToolError `already_settled` */
  async resolve(value: Value, options: CallOptions = {}): Promise<void> {
    await this.op("resolve", { value }, options);
  }

  /** Gives an error in its place. @throws ToolError `already_settled` */
  async reject(error: unknown, options: CallOptions = {}): Promise<void> {
    await this.op("reject", { error }, options);
  }

  /** The value, as soon as it is there. @throws FutureRejected; ToolError `timed_out`; SessionLost */
  async value({ external, ...wait }: PopOptions = {}): Promise<Value> {
    const settled = await this.waited<{ value: Value } | { error: unknown }>("await", { external }, wait);
    if ("error" in settled) throw new FutureRejected(this.name, settled.error);
    return settled.value;
  }

  /** What it is now, without waiting. */
  peek(options: CallOptions = {}): Promise<FutureState<Value>> {
    return this.op("peek", {}, options);
  }
}
