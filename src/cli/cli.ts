import { version } from "./version.ts";

/** Runs one command line and returns its exit status; never throws. */
export async function runCli(argv: readonly string[]): Promise<number> {
  if (argv[0] === "--version") console.log(version());
  return 0;
}
