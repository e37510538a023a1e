/** Commands as a person types them in the project, for the tests' server. */

import { spawn } from "node:child_process";
import { projectRoot } from "./server.ts";
import { sharedServer } from "./shared.ts";

const server = sharedServer();

export interface Ran {
  status: number | null;
  output: string;
}

/** A command that runs. With `apart` it leads a process group of its own, as one typed in a terminal does. */
export function started(command: string, args: string[], env: Record<string, string> = {}, apart = false) {
  const child = spawn(command, args, {
    cwd: projectRoot,
    env: {
      ...process.env,
      HEDDLE_URL: server.url,
      HEDDLE_API_KEY: "hdl_local",
      ANTHROPIC_API_KEY: "",
      OPENAI_API_KEY: "",
      ...env,
    },
    detached: apart,
  });
  const running = {
    child,
    output: "",
    ended: new Promise<number | null>((resolve) => child.once("close", (status) => resolve(status))),
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      running.output += text;
    });
  }
  return running;
}

export async function run(command: string, args: string[], env: Record<string, string> = {}, input = ""): Promise<Ran> {
  const running = started(command, args, env);
  running.child.stdin.end(input);
  const status = await running.ended;
  return { status, output: running.output };
}
