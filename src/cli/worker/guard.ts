/**
 * A process beside the worker that outlives it, whatever ends it: SIGKILL, too, leaves no command and no file behind.
 * Owns the pipe to it and what is said there; guard-main.ts is what it does. Any command is served so, since none has to help.
 *
 * U1  The guard learns of the worker's end by its pipe, whose other end nobody else has: commands don't inherit it.
 * U2  It knows each command before that runs (start-command.ts), so none is missed.
 */

import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

export class Guard {
  readonly #pipe: Socket;

  /** Starts a guard that ends what still runs when this process is gone, and then removes `folder` if there is one. */
  constructor(folder?: string) {
    // The suffix is that of the sources or of what was built from them.
    const script = fileURLToPath(new URL(`./guard-main${extname(import.meta.url)}`, import.meta.url).href);
    const child = spawn(process.execPath, [script, ...(folder === undefined ? [] : [folder])], {
      stdio: ["pipe", "ignore", "ignore"],
      // A group of its own: what ends ours must not end it.
      detached: true,
      windowsHide: true,
    });
    // Without a guard the worker works as well; it only must not be killed.
    child.once("error", () => undefined);
    child.stdin!.on("error", () => undefined);
    this.#pipe = child.stdin as Socket;
    this.#pipe.unref();
    child.unref();
  }

  /** A command's group, by its leader. */
  watch(leader: number): void {
    this.#pipe.write(`+${leader}\n`);
  }

  /** Nothing of the group is left. */
  forget(leader: number): void {
    this.#pipe.write(`-${leader}\n`);
  }
}
