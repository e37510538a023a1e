/** The flags that say which folder is served, and what may be done there. */

import { UsageError, type Values } from "../usage.ts";
import type { Allowance } from "./workspace/allowance.ts";
import type { WorkspaceRights } from "./workspace/declarations.ts";
import { Refusal } from "./workspace/refusal.ts";
import { wordsOf } from "./workspace/words.ts";
import { Workspace } from "./workspace/workspace.ts";

export interface WorkspaceFlags {
  readonly folder: string;
  readonly rights: WorkspaceRights;
}

/** Undefined where no workspace is named. @throws UsageError for flags that contradict one another */
export function workspaceOf(flags: Values): WorkspaceFlags | undefined {
  const folder = flags.workspace;
  const beginnings = (flags["allow-command"] as string[] | undefined) ?? [];
  const all = flags["allow-commands"] === true;
  const readOnly = flags["read-only"] === true;
  if (typeof folder !== "string") {
    const alone = ["allow-commands", "allow-command", "read-only"].find((name) => flags[name] !== undefined);
    if (alone !== undefined) throw new UsageError(`--${alone} goes with --workspace DIR only.`);
    return undefined;
  }
  if (readOnly && (all || beginnings.length > 0))
    throw new UsageError("--read-only allows no commands: a command can write. Leave one of the two out.");
  if (all && beginnings.length > 0)
    throw new UsageError(
      "--allow-commands allows every command; --allow-command adds nothing. Leave one of the two out.",
    );
  const commands: Allowance = all
    ? { kind: "all" }
    : beginnings.length > 0
      ? { kind: "some", beginnings: beginnings.map(beginning) }
      : { kind: "none" };
  return { folder, rights: { readOnly, commands } };
}

/** @throws UsageError when the folder is none */
export function openWorkspace({ folder, rights }: WorkspaceFlags): Workspace {
  if (folder === "") throw new UsageError("--workspace is empty; the current folder is --workspace .");
  try {
    return new Workspace(folder, rights);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(`--workspace is "${folder}": ${code === "ENOENT" ? "there is no such folder" : message}.`);
  }
}

/** What the user is told at the start about what may be done. */
export const rightsText = ({ readOnly, commands }: WorkspaceRights): string => {
  if (readOnly) return "reading only";
  if (commands.kind === "none") return "reading and writing, no commands";
  if (commands.kind === "all") return "reading, writing, and ANY command, run by a shell as you";
  return `reading, writing, and commands that begin with: ${commands.beginnings.map((words) => words.join(" ")).join("; ")}`;
};

function beginning(text: string): string[] {
  try {
    const words = wordsOf(text);
    if (words.length > 0) return words;
  } catch (error) {
    if (error instanceof Refusal) throw new UsageError(`--allow-command is ${JSON.stringify(text)}: ${error.message}.`);
    throw error;
  }
  throw new UsageError("--allow-command is empty; give the words that a command may begin with.");
}
