/** The one table of commands: help, the reading of command lines and completion are made from it. One entry adds a command. */

import { adminCommand } from "./admin/admin-command.ts";
import type { Command } from "./command.ts";
import { completeCommand, completionCommand } from "./completion/completion.ts";
import { doctorCommand } from "./doctor/doctor.ts";
import { exportCommand } from "./files/export.ts";
import { importCommand } from "./files/import.ts";
import { compareCommand } from "./look/compare.ts";
import { contextCommand } from "./look/context.ts";
import { criticalPathCommand } from "./look/critical-path.ts";
import { findingsCommand } from "./look/findings.ts";
import { logsCommand } from "./look/logs.ts";
import { questionsCommand } from "./look/questions.ts";
import { quotasCommand } from "./look/quotas.ts";
import { runsCommand } from "./look/runs.ts";
import { showCommand } from "./look/show.ts";
import { traceCommand } from "./look/trace.ts";
import { turnsCommand } from "./look/turns.ts";
import { usageCommand } from "./look/usage.ts";
import { varsCommand } from "./look/vars.ts";
import { rulesCommand } from "./rules/rules-command.ts";
import { forkCommand } from "./run/fork.ts";
import { runCommand, watchCommand } from "./run/run-command.ts";
import { answerCommand } from "./steer/answer.ts";
import { cancelCommand } from "./steer/cancel.ts";
import { deleteCommand } from "./steer/delete.ts";
import { retainCommand } from "./steer/retain.ts";
import { retryCommand } from "./steer/retry.ts";
import { finishCommand, pauseCommand, resumeCommand } from "./steer/run-state.ts";
import { waitCommand } from "./steer/wait.ts";
import { toolCommand } from "./tool.ts";
import { toolsCommand } from "./tools/tools-command.ts";
import { topCommand } from "./top/top.ts";
import { webhookCommand } from "./webhook/webhook-command.ts";
import { workCommand } from "./worker/work-command.ts";

/** In the order in which help shows them within their groups. */
export const commands: readonly Command[] = [
  runCommand,
  watchCommand,
  forkCommand,
  exportCommand,
  importCommand,
  runsCommand,
  showCommand,
  topCommand,
  logsCommand,
  contextCommand,
  turnsCommand,
  varsCommand,
  findingsCommand,
  questionsCommand,
  criticalPathCommand,
  traceCommand,
  compareCommand,
  usageCommand,
  quotasCommand,
  waitCommand,
  answerCommand,
  pauseCommand,
  resumeCommand,
  retryCommand,
  cancelCommand,
  finishCommand,
  retainCommand,
  rulesCommand,
  webhookCommand,
  deleteCommand,
  workCommand,
  toolsCommand,
  toolCommand,
  doctorCommand,
  adminCommand,
  completionCommand,
  completeCommand(() => commands),
];

export const commandNamed = (name: string): Command | undefined => commands.find((command) => command.name === name);
