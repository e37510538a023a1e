/** A process group that a command of ours leads. Its number stays ours as long as one of its members lives. */

import { spawnSync } from "node:child_process";
import { sleep } from "../../client/sleep.ts";
import { workKillMs } from "../../limits.ts";

const groupPollMs = 20;
export const isWindows = process.platform === "win32";

/** Whether there was anything to signal; 0 only asks. */
export function signalGroup(leader: number, name: NodeJS.Signals | 0): boolean {
  try {
    if (!isWindows) return process.kill(-leader, name);
    if (name !== 0) spawnSync("taskkill", ["/pid", String(leader), "/T", "/F"], { windowsHide: true });
  } catch {
    // The whole group has gone.
  }
  return false;
}

/** Ends what is left of the group, with SIGKILL after a bound; resolves when nothing is. */
export async function endGroup(leader: number): Promise<void> {
  if (!signalGroup(leader, "SIGTERM")) return;
  for (const killAt = Date.now() + workKillMs; Date.now() < killAt; ) {
    await sleep(groupPollMs);
    if (!signalGroup(leader, 0)) return;
  }
  signalGroup(leader, "SIGKILL");
}
