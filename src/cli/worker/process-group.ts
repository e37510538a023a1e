/** A child process that leads a group of its own (`detached`), and how all of the group is ended. */

import { type ChildProcess, spawnSync } from "node:child_process";
import { sleep } from "../../client/sleep.ts";
import { workKillMs } from "../../limits.ts";

const groupPollMs = 20;
export const isWindows = process.platform === "win32";

export class ProcessGroup {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Ends what is left of the group: SIGTERM, after a bound SIGKILL. Resolves when nothing is. */
  async end(): Promise<void> {
    if (!this.signal("SIGTERM")) return;
    for (const killAt = Date.now() + workKillMs; Date.now() < killAt; ) {
      await sleep(groupPollMs);
      if (!this.signal(0)) return;
    }
    this.signal("SIGKILL");
  }

  /** Whether there was anything to signal. The group's number stays ours as long as one of its members lives. */
  signal(name: NodeJS.Signals | 0): boolean {
    const { pid } = this.#child;
    if (pid === undefined) return false;
    try {
      if (!isWindows) return process.kill(-pid, name);
      if (name !== 0) spawnSync("taskkill", ["/pid", String(pid), "/T", "/F"], { windowsHide: true });
    } catch {
      // The whole group has gone.
    }
    return false;
  }
}
