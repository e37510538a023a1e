/** The one table of commands: help, the reading of command lines and completion are made from it. One entry adds a command. */

import { cancelCommand } from "./cancel.ts";
import type { Command } from "./command.ts";
import { runCommand, watchCommand } from "./run/run-command.ts";
import { toolCommand } from "./tool.ts";
import { workCommand } from "./worker/work-command.ts";

/** In the order in which help shows them within their groups. */
export const commands: readonly Command[] = [runCommand, watchCommand, cancelCommand, workCommand, toolCommand];

export const commandNamed = (name: string): Command | undefined => commands.find((command) => command.name === name);
