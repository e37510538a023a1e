/**
 * One run of the command: what it is given, what it answered, and its end.
 *
 * C1  The command leads a process group of its own: a signal of the terminal reaches us only, and stopping it stops its children.
 * C2  When `ended` resolves, nothing of the group runs. It always resolves: what outlives the command is killed after a bound, or, where it
 *     has left the group, let go.
 * C3  What is kept of its output is bounded.
 * C4  It does not outlive this process, whatever ends that (guard.ts).
 */

import type { ChildProcess } from "node:child_process";
import { resultBytesMax, workKillMs, workStderrTailBytes } from "../../limits.ts";
import type { Guard } from "./guard.ts";
import type { ProcessGroup } from "./process-group.ts";
import { startCommand } from "./start-command.ts";

export interface CommandEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  /** stdout was cut off, and the command stopped: no result can be that long. */
  readonly overflow: boolean;
  readonly stderrTail: string;
  /** It did not start at all. */
  readonly startError?: Error;
}

export interface CommandOptions {
  readonly cwd?: string;
  /** Takes stdout as it comes, however long: none of it is kept. */
  readonly onStdout?: (part: Buffer) => void;
}

/** White space that JSON.parse drops may make the text longer than the result. */
const stdoutBytesMax = 2 * resultBytesMax;

export class Command {
  readonly ended: Promise<CommandEnd>;
  readonly #child: ChildProcess;
  readonly #group: ProcessGroup;
  #over = false;

  constructor(
    command: readonly string[],
    env: NodeJS.ProcessEnv,
    stdin: string,
    guard: Guard,
    { cwd, onStdout }: CommandOptions = {},
  ) {
    const { child, group } = startCommand(command, { env, stdin: "pipe", ...(cwd !== undefined && { cwd }) }, guard);
    this.#child = child;
    this.#group = group;
    this.ended = this.#follow(stdin, onStdout);
  }

  /** SIGTERM to the command and its children, SIGKILL after a bound. Does nothing once it has ended. */
  stop(): void {
    if (!this.#over) void this.#group.end();
  }

  /** SIGKILL to all of the group at once. */
  kill(): void {
    if (!this.#over) this.#group.signal("SIGKILL");
  }

  #follow(stdin: string, onStdout: CommandOptions["onStdout"]): Promise<CommandEnd> {
    const child = this.#child;
    const stdout: Buffer[] = [];
    let stdoutBytes = 0;
    let stderr = Buffer.alloc(0);
    child.stdout!.on("data", (part: Buffer) => {
      if (onStdout) return onStdout(part);
      stdoutBytes += part.length;
      if (stdoutBytes <= stdoutBytesMax) stdout.push(part);
      else this.stop();
    });
    child.stderr!.on("data", (part: Buffer) => {
      stderr = Buffer.concat([stderr, part]).subarray(-workStderrTailBytes);
    });
    child.stdin!.on("error", () => undefined); // it need not read its input
    child.stdin!.end(stdin);
    return new Promise((resolve) => {
      const end = async (status: number | null, signal: NodeJS.Signals | null, startError?: Error) => {
        await this.#group.end();
        this.#over = true;
        resolve({
          status,
          signal,
          stdout: Buffer.concat(stdout).toString("utf8"),
          overflow: stdoutBytes > stdoutBytesMax,
          stderrTail: stderr.toString("utf8").trimEnd(),
          ...(startError && { startError }),
        });
      };
      child.once("error", (error) => child.pid === undefined && void end(null, null, error));
      child.once("close", end);
      child.once("exit", () => {
        // What still writes to our pipe may be part of the answer, as in `cmd > >(tee file)`; but not for ever. What has left the group,
        // as servers do that go into the background, lives on, and we listen to it no more.
        const timer = setTimeout(async () => {
          await this.#group.end();
          child.stdout!.destroy();
          child.stderr!.destroy();
        }, workKillMs);
        child.once("close", () => clearTimeout(timer));
      });
    });
  }
}
