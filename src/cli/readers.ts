/** What becomes of a command whose output nobody reads any more, as in `heddle run … | head -1` or a closed terminal. */

import { exitStatus } from "./exit-status.ts";
import { unwritable } from "./json-input.ts";

/**
 * The end of a pipe or terminal that we write to is a hangup: told once, to whoever waits for signals; else we end. So is a file that
 * takes no more, as on a full disk, which is said where it can be.
 */
export function endWithReaders(): void {
  let told = false;
  const { stdout, stderr } = process;
  for (const stream of [stdout, stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (told) return;
      told = true;
      const isGone = error.code === "EPIPE" || error.code === "EIO";
      if (!isGone && stream === stdout) stderr.write(`heddle: ${unwritable("stdout", error).message}\n`);
      if (!process.emit("SIGHUP", "SIGHUP")) process.exit(isGone ? exitStatus.interrupted : exitStatus.usage);
    });
}
