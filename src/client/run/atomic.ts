/** One value, changed in indivisible steps. */

import type { Heddle } from "../heddle.ts";
import type { CallOptions } from "../transport.ts";
import { Variable, type VariableCaller } from "./variable.ts";

/** One value that all tasks share: a counter, a flag, a best-so-far. A new one is 0. */
export class Atomic<Value = number> extends Variable {
  constructor(heddle: Heddle, runId: string, name: string, caller?: VariableCaller) {
    super(heddle, runId, "atomic", name, caller);
  }

  /** The value now. */
  async get(options: CallOptions = {}): Promise<Value> {
    return (await this.op<{ value: Value }>("get", {}, options)).value;
  }

  /** Sets it, whatever it was. */
  async set(value: Value, options: CallOptions = {}): Promise<void> {
    await this.op("set", { value }, options);
  }

  /** Adds to a number and answers the new one. @throws ToolError `not_a_number`, `not_exact` */
  async add(delta: number, options: CallOptions = {}): Promise<number> {
    return (await this.op<{ value: number }>("add", { delta }, options)).value;
  }

  /** Sets it only if it is `expected`; `value` is what it is afterwards. */
  compareAndSet(expected: Value, value: Value, options: CallOptions = {}): Promise<{ ok: boolean; value: Value }> {
    return this.op("compare_and_set", { expected, value }, options);
  }

  /** Sets it and answers what it was. */
  async exchange(value: Value, options: CallOptions = {}): Promise<Value> {
    return (await this.op<{ previous: Value }>("exchange", { value }, options)).previous;
  }
}
