/**
 * Starts a command that leads a process group of its own and does not outlive this process, however early that is killed.
 *
 * S1  No line of the command runs before the guard knows its group. A killed worker would otherwise leave a command behind that
 *     was started and not yet watched: a machine with much to do is between the two for long enough.
 *
 * On Windows the two come one after the other: there a command may escape by a kill between them.
 */

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import type { Writable } from "node:stream";
import { isExecutable } from "./find-command.ts";
import type { Guard } from "./guard.ts";
import { isWindows, ProcessGroup } from "./process-group.ts";

export interface StartOptions {
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: "pipe" | "ignore";
}

export interface Started {
  /** stdout and stderr are pipes. As of `spawn`: one that can't start has no pid and emits `error`. */
  readonly child: ChildProcess;
  readonly group: ProcessGroup;
}

/** Waits to be told to go, by a pipe that ends when we do, and becomes the command: the same process, the same group. */
const gate = 'IFS= read -r go <&3 && exec 3<&- && exec "$0" "$@"';
const gatePipe = 3;

export function startCommand(
  [file, ...args]: readonly string[],
  { cwd, env, stdin }: StartOptions,
  guard: Guard,
): Started {
  const options: SpawnOptions = { env, detached: !isWindows, windowsHide: true, ...(cwd !== undefined && { cwd }) };
  // What can't be found is spawned as it is, so that the error is spawn's own.
  if (isWindows || !isExecutable(file!, env, cwd)) {
    const child = spawn(file!, args, {
      ...options,
      stdio: [stdin, "pipe", "pipe"],
      windowsVerbatimArguments: file === "cmd",
    });
    return { child, group: new ProcessGroup(child.pid, guard) };
  }
  const child = spawn("/bin/sh", ["-c", gate, file!, ...args], { ...options, stdio: [stdin, "pipe", "pipe", "pipe"] });
  const group = new ProcessGroup(child.pid, guard);
  const go = child.stdio[gatePipe] as Writable;
  go.on("error", () => undefined); // it was ended before it began
  go.end("go\n");
  return { child, group };
}
