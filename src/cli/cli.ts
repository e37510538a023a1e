import { version } from "../version.ts";
import { commandNamed, commands } from "./commands.ts";
import { exitStatus } from "./exit-status.ts";
import { failureText } from "./failure-text.ts";
import { helpOf, overview } from "./help.ts";
import { readCommandLine } from "./read-command-line.ts";
import { didYouMean, UsageError } from "./usage.ts";

/** Runs one command line and returns its exit status. What the user can act on is said in a line or two, without a stack. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  try {
    if (name === undefined || name === "--help" || name === "-h") return print(overview(commands));
    if (name === "--version" || name === "-v") return print(`${version}\n`);
    if (name === "help") return print(helpFor(rest[0]));
    const command = commandNamed(name);
    if (command === undefined)
      throw new UsageError(`Unknown command "${name}".${meantCommand(name)} See: heddle --help`);
    const own = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
    if (!command.raw && (own.includes("--help") || own.includes("-h"))) return print(helpOf(command));
    return await command.run(readCommandLine(command, rest));
  } catch (error) {
    const failure = failureText(error);
    if (failure) return complain(failure.text, failure.status);
    throw error;
  }
}

function helpFor(name: string | undefined): string {
  if (name === undefined) return overview(commands);
  const command = commandNamed(name);
  if (command) return helpOf(command);
  throw new UsageError(`There is no command "${name}".${meantCommand(name)} See: heddle --help`);
}

const meantCommand = (name: string): string =>
  didYouMean(
    name,
    commands.filter(({ hidden }) => !hidden).map((command) => command.name),
  );

function print(text: string): number {
  process.stdout.write(text);
  return exitStatus.ok;
}

function complain(text: string, status: number): number {
  process.stderr.write(`heddle: ${text}\n`);
  return status;
}
