// One stage of `npm test`: a program, and all that it starts.

import { spawn } from "node:child_process";
import { endFamily, familyOf, identify } from "./processes.mjs";

/**
 * Runs `file` to its end; resolves to its exit status. When `signal` aborts it is asked to end, and what it had started by then is ended
 * after it: a runner of tests that is stopped does not wait for their programs, which lead groups of their own.
 */
export async function runStage(file, args, { signal, ...options }) {
  const child = spawn(file, args, options);
  let family;
  const stop = () => {
    const leader = child.pid === undefined ? undefined : identify(child.pid);
    if (leader) family = { leader, members: familyOf(leader.pid) };
    child.kill("SIGTERM");
  };
  const ended = new Promise((resolve) => {
    child.once("error", (error) => {
      console.error(error.message);
      resolve(1);
    });
    child.once("exit", (status) => resolve(status ?? 1));
  });
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  const status = await ended;
  signal.removeEventListener("abort", stop);
  if (family) await endFamily(family);
  return status;
}
