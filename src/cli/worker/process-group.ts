/**
 * The process group that a child process of ours leads (it was started `detached`). Its number stays ours as long as one of its
 * members lives.
 */

import { spawnSync } from "node:child_process";
import { sleep } from "../../client/sleep.ts";
import { workKillMs } from "../../limits.ts";
import type { Guard } from "./guard.ts";

const groupPollMs = 20;
export const isWindows = process.platform === "win32";

export class ProcessGroup {
  readonly #leader: number | undefined;
  readonly #guard: Guard | undefined;

  /** `leader` is undefined when it did not start. What of the group outlives this process the guard ends. */
  constructor(leader: number | undefined, guard?: Guard) {
    this.#leader = leader;
    this.#guard = guard;
    if (leader !== undefined) guard?.watch(leader);
  }

  /** Ends what is left of the group: SIGTERM, after a bound SIGKILL. Resolves when nothing is. */
  async end(): Promise<void> {
    if (this.#leader === undefined) return;
    await this.#end();
    this.#guard?.forget(this.#leader);
  }

  /** Whether there was anything to signal; 0 only asks. */
  signal(name: NodeJS.Signals | 0): boolean {
    if (this.#leader === undefined) return false;
    try {
      if (!isWindows) return process.kill(-this.#leader, name);
      if (name !== 0) spawnSync("taskkill", ["/pid", String(this.#leader), "/T", "/F"], { windowsHide: true });
    } catch {
      // The whole group has gone.
    }
    return false;
  }

  async #end(): Promise<void> {
    if (!this.signal("SIGTERM")) return;
    for (const killAt = Date.now() + workKillMs; Date.now() < killAt; ) {
      await sleep(groupPollMs);
      if (!this.signal(0)) return;
    }
    this.signal("SIGKILL");
  }
}
