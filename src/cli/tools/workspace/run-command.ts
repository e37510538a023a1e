/**
 * Running a command for a model: bounded in time and output, and nothing of its process group runs on when it is over.
 * It is no sandbox: the command may do what the user may.
 */

import { loadSampleMs, toolProgressCharsMax } from "../../../limits.ts";
import type { Guard } from "../../worker/guard.ts";
import { startCommand } from "../../worker/start-command.ts";
import { bareEnvironment } from "../environment.ts";
import { Output } from "./output.ts";
import { Refusal } from "./refusal.ts";

export interface RanCommand {
  readonly exit_code: number | null;
  readonly signal?: string;
  readonly timed_out?: true;
  readonly output: string;
  /** Bytes of the output that are left out. */
  readonly omitted_bytes?: number;
}

interface Running {
  readonly cwd: string;
  readonly timeoutMs: number;
  /** Ends it: SIGTERM, then SIGKILL. */
  readonly stop: AbortSignal;
  /** Ends it at once. */
  readonly kill: AbortSignal;
  readonly guard: Guard;
  readonly progress: (report: { message: string }) => void;
}

/** @throws Refusal when there is no such program */
export async function runCommand(
  command: readonly [string, ...string[]],
  { cwd, timeoutMs, stop, kill, guard, progress }: Running,
): Promise<RanCommand> {
  const { child, group } = startCommand(command, { cwd, env: bareEnvironment(), stdin: "ignore" }, guard);
  const output = new Output();
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (part: Buffer) => output.write(part));
  let timedOut = false as boolean;
  const end = () => void group.end();
  const killNow = () => void group.signal("SIGKILL");
  stop.addEventListener("abort", end);
  kill.addEventListener("abort", killNow);
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, timeoutMs);
  let told = "";
  const telling = setInterval(() => {
    if (output.lastLine === told || output.lastLine === "") return;
    told = output.lastLine;
    progress({ message: told.slice(0, toolProgressCharsMax) });
  }, loadSampleMs);
  try {
    if (stop.aborted) end();
    const { status, signal } = await new Promise<{ status: number | null; signal: NodeJS.Signals | null }>(
      (resolve, reject) => {
        child.once("error", (error: NodeJS.ErrnoException) => {
          if (child.pid !== undefined) return;
          reject(
            error.code === "ENOENT" || error.code === "EACCES"
              ? new Refusal("command_not_found", `${command[0]} can't be run: ${error.code}`)
              : error,
          );
        });
        child.once("exit", (status, signal) => {
          // What it left behind ends with it; then its pipes are closed, unless somebody has left the group with one.
          const late = setTimeout(() => resolve({ status, signal }), loadSampleMs);
          child.once("close", () => {
            clearTimeout(late);
            resolve({ status, signal });
          });
          end();
        });
      },
    );
    await group.end();
    return {
      exit_code: status,
      ...(signal !== null && { signal }),
      ...(timedOut && { timed_out: true }),
      output: output.text,
      ...(output.omitted > 0 && { omitted_bytes: output.omitted }),
    };
  } finally {
    clearTimeout(timer);
    clearInterval(telling);
    stop.removeEventListener("abort", end);
    kill.removeEventListener("abort", killNow);
    for (const stream of [child.stdout!, child.stderr!]) stream.destroy();
  }
}
