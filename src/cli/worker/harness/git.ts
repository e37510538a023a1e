/** Git, as a program. Hooks are not run: what a task leaves in a repository must not run as the worker. */

import { execFile } from "node:child_process";
import { gitStepMs } from "../../../limits.ts";
import { withoutSecrets } from "../secrets.ts";

export class GitError extends Error {}

/** Its stdout without the last newline. @throws GitError with what git says */
export function git(cwd: string, ...args: string[]): Promise<string> {
  const env: NodeJS.ProcessEnv = { ...withoutSecrets(), LC_ALL: "C", GIT_TERMINAL_PROMPT: "0" };
  // Set inside a hook of git's own, they would name another repository.
  for (const name of ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"]) delete env[name];
  const options = { cwd, env, timeout: gitStepMs, maxBuffer: 16 * 1024 * 1024, windowsHide: true };
  return new Promise((resolve, reject) => {
    execFile(
      "git",
      ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", ...args],
      options,
      (error, stdout, stderr) => {
        if (!error) return resolve(stdout.replace(/\n$/, ""));
        // Behind what git itself is told: `-c name=value`, `--git-dir=…`.
        const step = args.find((arg, i) => !arg.startsWith("-") && args[i - 1] !== "-c");
        reject(new GitError(`git ${step}: ${stderr.trim() || stdout.trim() || error.message}`));
      },
    );
  });
}

/** Whether it exits with 0. */
export const gitSays = (cwd: string, ...args: string[]): Promise<boolean> =>
  git(cwd, ...args).then(
    () => true,
    () => false,
  );
