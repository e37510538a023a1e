/** What `heddle --help` and `heddle help COMMAND` print, from the table of commands. */

import { type Command, type Flag, groups } from "./command.ts";
import { wordsText } from "./read-command-line.ts";

const environment = `Environment:
  HEDDLE_URL       where Heddle is (default http://127.0.0.1:8787, where \`npm run dev\` serves)
  HEDDLE_API_KEY   the key (default hdl_local, which only local mode knows)`;

const columns = 120;

export function overview(commands: readonly Command[]): string {
  const shown = commands.filter(({ hidden }) => !hidden);
  const width = Math.max(...shown.map((command) => shortUsage(command).length));
  const blocks = groups.flatMap((group) => {
    const lines = shown
      .filter((command) => command.group === group)
      .map((command) => `  ${shortUsage(command).padEnd(width)}  ${command.summary}`);
    return lines.length === 0 ? [] : [`${group}:\n${lines.join("\n")}`];
  });
  return `heddle: parallel tasks on forks of an agent's context

Usage: heddle COMMAND [ARGUMENT…] [flags]

${blocks.join("\n\n")}

  heddle help COMMAND   more about one of these: its flags, exit statuses and examples
  heddle --version

${environment}
`;
}

export function helpOf(command: Command): string {
  const parts = [usageLines(command), command.about, flagsText(command.flags ?? {}), command.more];
  if (!command.offline) parts.push(environment);
  return `${parts
    .filter(Boolean)
    .map((part) => part!.trimEnd())
    .join("\n\n")}\n`;
}

/** `heddle work --pool NAME -- COMMAND`: what can't be left out, and the words. */
function shortUsage(command: Command): string {
  const required = Object.entries(command.flags ?? {}).filter(([, flag]) => flag.required);
  const flags = required.map(([name, flag]) => flagText(name, flag));
  return ["heddle", command.name, wordsText(command), ...flags, restText(command).replace(/ \[.*/, "")]
    .filter(Boolean)
    .join(" ");
}

function usageLines(command: Command): string {
  const head = `heddle ${command.name} `;
  const flags = Object.entries(command.flags ?? {}).map(([name, flag]) =>
    flag.required ? flagText(name, flag) : `[${flagText(name, flag)}]`,
  );
  const words = [wordsText(command), ...flags, restText(command)].filter(Boolean);
  const lines = [head.trimEnd()];
  for (const word of words) {
    const line = lines.at(-1)!;
    if (line.length + 1 + word.length <= columns) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(`${" ".repeat(head.length)}${word}`);
  }
  return lines.join("\n");
}

const restText = ({ rest }: Command): string => (rest === undefined ? "" : `-- ${rest}`);

const flagText = (name: string, { value, short }: Flag): string =>
  `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;

/** `about` may be of several lines; they stand below one another. */
function flagsText(flags: Readonly<Record<string, Flag>>): string {
  const rows = Object.entries(flags).map(([name, flag]) => [`  ${flagText(name, flag)}`, flag.about] as const);
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + 2;
  const lines = rows.map(([left, about]) => left.padEnd(width) + about.replaceAll("\n", `\n${" ".repeat(width)}`));
  return lines.length === 0 ? "" : `Flags:\n${lines.join("\n")}`;
}
