// Where what tests write is put: in memory where that is possible, since every commit of a local server or an object waits for the disk.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder in memory on Linux. In a container it is often of 64 MB, and may run no programs. */
const memory = "/dev/shm";
/** Several times what all tests have there at once; and so much of the memory is to be free beside it. */
const roomBytes = 4 * 2 ** 30;

/** A folder in which tests can make theirs: in memory if it has room and runs programs, else the platform's for temporary files. */
export function scratchRoot() {
  try {
    const { bavail, bsize } = statfsSync(memory);
    const free = Math.min(bavail * bsize, process.availableMemory() / 2);
    return free >= roomBytes && runsPrograms(memory) ? memory : tmpdir();
  } catch {
    return tmpdir();
  }
}

function runsPrograms(root) {
  const folder = mkdtempSync(join(root, "heddle-program-"));
  try {
    const program = join(folder, "program");
    writeFileSync(program, "#!/bin/sh\nexit 0\n", { mode: 0o700 });
    return spawnSync(program).status === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
