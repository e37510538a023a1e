/**
 * A lock that processes of one machine share: a folder with its owner in it, which comes and goes in one step.
 *
 * L1  Only a rename makes it or ends it: there is no moment in which it has no owner, or in which what is removed is another's.
 * L2  Of an owner that is gone it is taken away, by one process at a time, which looks again before it does.
 */

import { mkdir, readFile, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "../../../client/sleep.ts";
import { lockBreakMs, mergeTurnMs } from "../../../limits.ts";
import { isGone, type Owner, thisProcess } from "../owner.ts";

const pollMs = 50;
let count = 0;

/** Runs `act` while no other process, and nobody else here, has the lock. @throws Error when it is not to be had for too long */
export async function alone<T>(lock: string, act: () => Promise<T>): Promise<T> {
  const mine = `${lock}.${process.pid}.${++count}`;
  await rm(mine, { recursive: true, force: true });
  await mkdir(mine);
  await writeFile(join(mine, "owner.json"), JSON.stringify(thisProcess()), { mode: 0o600 });
  try {
    await take(lock, mine);
    try {
      return await act();
    } finally {
      await rename(lock, mine);
    }
  } finally {
    await rm(mine, { recursive: true, force: true });
  }
}

async function take(lock: string, mine: string): Promise<void> {
  for (const giveUpAt = Date.now() + mergeTurnMs; ; await sleep(pollMs)) {
    try {
      return await rename(mine, lock);
    } catch (error) {
      if (Date.now() > giveUpAt) throw new Error(`Another worker holds ${lock}: ${(error as Error).message}`);
      if (await isStale(lock)) await takeAway(lock, `${mine}.stale`);
    }
  }
}

async function takeAway(lock: string, to: string): Promise<void> {
  const breaking = `${lock}.breaking`;
  try {
    await mkdir(breaking);
  } catch {
    // Whoever is at it is quick; one that was killed there is not.
    const age = await stat(breaking)
      .then(({ mtimeMs }) => Date.now() - mtimeMs)
      .catch(() => 0);
    if (age > lockBreakMs) await rmdir(breaking).catch(() => undefined);
    return;
  }
  try {
    if (!(await isStale(lock))) return;
    await rename(lock, to);
    await rm(to, { recursive: true, force: true });
  } finally {
    await rmdir(breaking).catch(() => undefined);
  }
}

async function isStale(lock: string): Promise<boolean> {
  try {
    return isGone(JSON.parse(await readFile(join(lock, "owner.json"), "utf8")) as Owner);
  } catch {
    return false;
  }
}
