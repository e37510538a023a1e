/** What becomes of a command whose output nobody reads any more, as in `heddle run … | head -1` or a closed terminal. */

import { exitStatus } from "./exit-status.ts";

/** The end of a pipe or terminal that we write to is a hangup: told once, to whoever waits for signals; else we end. */
export function endWithReaders(): void {
  let told = false;
  const gone = (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
    if (told) return;
    told = true;
    if (!process.emit("SIGHUP", "SIGHUP")) process.exit(exitStatus.interrupted);
  };
  for (const stream of [process.stdout, process.stderr]) stream.on("error", gone);
}
