/** `heddle completion`, and what its scripts call. */

import type { Command } from "../command.ts";
import { exitStatus } from "../exit-status.ts";
import { oneLine } from "../plain-text.ts";
import { say, sayJson } from "../screen/output.ts";
import { completionOf } from "./candidates.ts";
import { type Shell, scripts, shells } from "./scripts.ts";
import { serverNames } from "./server-names.ts";

export const completionCommand: Command = {
  name: "completion",
  group: "Set up",
  summary: "a script by which a shell completes heddle",
  words: [{ name: "SHELL", choices: shells }],
  flags: { json: { about: '{"shell", "script"} as one JSON object' } },
  ask: "Name your shell: bash, zsh or fish.",
  about: `Prints a script that makes a shell complete heddle's commands, flags and their values, and the ids of runs, tasks and
variables, for which it asks the server for a moment.`,
  more: `Load it where your shell starts:
  bash   echo 'source <(heddle completion bash)' >> ~/.bashrc
  zsh    echo 'source <(heddle completion zsh)' >> ~/.zshrc   (after compinit)
  fish   heddle completion fish > ~/.config/fish/completions/heddle.fish

Exit status: 0; 2 usage.`,
  offline: true,
  run: async ({ flags, words: [shell] }) => {
    const script = scripts[shell as Shell];
    if (flags.json === true) sayJson({ shell, script });
    else process.stdout.write(script);
    return exitStatus.ok;
  },
};

/** `all`: the table of commands, this one in it. */
export const completeCommand = (all: () => readonly Command[]): Command => ({
  name: "__complete",
  group: "Set up",
  summary: "what may stand at the end of a command line",
  hidden: true,
  raw: true,
  offline: true,
  about: "For the scripts of `heddle completion`: prints what may stand in place of the last word.",
  run: async ({ argv }) => {
    const completion = completionOf(argv, all());
    if (completion.kind === "files") {
      say(":files");
      return exitStatus.ok;
    }
    const current = argv.at(-1) ?? "";
    const words = completion.kind === "words" ? completion.words : await serverNames(completion);
    for (const { value, about } of words) {
      // A name with a line break can't be typed in one.
      if (!value.startsWith(current) || oneLine(value) !== value) continue;
      say(about ? `${value}\t${oneLine(about)}` : value);
    }
    return exitStatus.ok;
  },
});
