/** One long text. */

import type { Heddle } from "../heddle.ts";
import type { CallOptions } from "../transport.ts";
import type { WriteOptions } from "./map.ts";
import { type Fence, Variable, type VariableCaller } from "./variable.ts";

/** One text that all tasks share: a plan, notes. */
export class SharedMemory extends Variable {
  constructor(heddle: Heddle, runId: string, name: string, caller?: VariableCaller) {
    super(heddle, runId, "shared_memory", name, caller);
  }

  /** The whole text with its version; a long one is read in parts, and begun anew when somebody writes in between. */
  async read({ idempotencyKey: _, ...options }: CallOptions = {}): Promise<{ text: string; version: number }> {
    for (;;) {
      let text = "";
      let version: number | undefined;
      for (let from: number | undefined = 0; from !== undefined; ) {
        const part: { text: string; version: number; next?: number | null } = await this.op("read", { from }, options);
        if (version !== undefined && part.version !== version) break;
        version = part.version;
        text += part.text;
        from = part.next ?? undefined;
        if (from === undefined) return { text, version };
      }
    }
  }

  /** Replaces all of it and answers the new version. @throws ToolError `version_mismatch`, `stale_fence`, `value_too_large` */
  async write(text: string, { if_version, fence, ...options }: WriteOptions = {}): Promise<number> {
    return (await this.op<{ version: number }>("write", { text, if_version, fence }, options)).version;
  }

  /** Replaces the one place where `old` stands. @throws ToolError `edit_no_match`, `edit_not_unique` */
  async edit(old: string, text: string, { if_version, fence, ...options }: WriteOptions = {}): Promise<number> {
    return (await this.op<{ version: number }>("edit", { old, new: text, if_version, fence }, options)).version;
  }

  /** Adds at the end and answers the new version. @throws ToolError `stale_fence`, `value_too_large` */
  async append(text: string, options: CallOptions & { readonly fence?: Fence } = {}): Promise<number> {
    const { fence, ...call } = options;
    return (await this.op<{ version: number }>("append", { text, fence }, call)).version;
  }
}
