/** The workspace tools as a run declares them. The descriptions are for models, and product text. */

import type { RemoteTool } from "../../../client/requests.ts";
import {
  commandTimeoutMsDefault,
  commandTimeoutMsMax,
  listFilesDefault,
  listFilesMax,
  searchMatchesDefault,
  searchMatchesMax,
  toolTimeoutMsMax,
} from "../../../limits.ts";
import type { Allowance } from "./allowance.ts";

export interface WorkspaceRights {
  readonly readOnly: boolean;
  readonly commands: Allowance;
}

const path = (of: string) => ({ type: "string", description: `${of}, relative to the workspace.` });

const tool = (
  name: string,
  description: string,
  properties: Record<string, object>,
  required: string[],
): Omit<RemoteTool, "pool" | "url"> => ({
  name,
  description,
  input_schema: { type: "object", properties, required, additionalProperties: false },
});

const reading = [
  tool(
    "read_file",
    "Read a text file of the workspace. Answers {path, text, from_line, to_line, lines}; `lines` is how many the file has. A long file is answered in part, with truncated: true; read on from next_line.",
    {
      path: path("The file"),
      from_line: { type: "integer", minimum: 1, description: "The first line wanted; 1 is the file's first." },
      to_line: { type: "integer", minimum: 1, description: "The last line wanted." },
    },
    ["path"],
  ),
  tool(
    "list_files",
    "List the files below a folder, as paths that the other tools take. .git and node_modules are left out. Answers {files}; truncated: true says that there are more: give a narrower path or glob.",
    {
      path: path("The folder; left out: the whole workspace"),
      glob: {
        type: "string",
        description:
          "Only files that match, as in *.ts (in any folder), src/**/*.ts or **/*.{js,ts}; counted from `path`.",
      },
      limit: { type: "integer", minimum: 1, maximum: listFilesMax, description: `Default ${listFilesDefault}.` },
    },
    [],
  ),
  tool(
    "search",
    "Search the text of files, line by line, with a regular expression (JavaScript's). .git, node_modules and binary files are left out. Answers {matches: [{path, line, text}]}; truncated: true says that there are more.",
    {
      pattern: { type: "string", description: "The regular expression, without slashes and flags." },
      path: path("The file or folder to search; left out: the whole workspace"),
      literal: { type: "boolean", description: "true: `pattern` is the text itself, and no regular expression." },
      limit: {
        type: "integer",
        minimum: 1,
        maximum: searchMatchesMax,
        description: `Default ${searchMatchesDefault}.`,
      },
    },
    ["pattern"],
  ),
];

const writing = [
  tool(
    "write_file",
    "Write a whole text file, in one step; creates it and its folders, or replaces what it had. To change a part of a file use edit_file. Answers {path, bytes, created}.",
    { path: path("The file"), content: { type: "string", description: "All of the file's new text." } },
    ["path", "content"],
  ),
  tool(
    "edit_file",
    "Replace a piece of a text file. `old` must stand in the file exactly once, spaces and line ends included: give enough of the surrounding lines. Answers {path, line}, the line where it stands.",
    {
      path: path("The file"),
      old: { type: "string", description: "The text to be replaced, exactly as the file has it." },
      new: { type: "string", description: "The text to stand there instead." },
    },
    ["path", "old", "new"],
  ),
];

const commandTool = (allowed: string) => ({
  ...tool(
    "run_command",
    `Run a command in the workspace, and get {exit_code, output}: stdout and stderr as they came. Of a long output the beginning and the end are answered. It has no input, and whatever it started ends with it. ${allowed}`,
    {
      command: { type: "string", description: "The command line." },
      timeout_ms: {
        type: "integer",
        minimum: 1,
        maximum: commandTimeoutMsMax,
        description: `Stop it after this; default ${commandTimeoutMsDefault}.`,
      },
      cwd: path("The folder to run it in; left out: the workspace itself"),
    },
    ["command"],
  ),
  // Its own time, and that of those before it in the line.
  timeout_ms: Math.min(2 * commandTimeoutMsMax, toolTimeoutMsMax),
});

/** What a model may be offered with these rights. */
export function declarationsOf(pool: string, { readOnly, commands }: WorkspaceRights): RemoteTool[] {
  const tools = readOnly ? reading : [...reading, ...writing];
  if (!readOnly && commands.kind === "all") tools.push(commandTool("It is run by a shell."));
  if (!readOnly && commands.kind === "some") {
    const list = commands.beginnings.map((words) => `\`${words.join(" ")}\``).join(", ");
    tools.push(commandTool(`It is run without a shell, and must begin with one of: ${list}.`));
  }
  return tools.map(({ name, description, input_schema, timeout_ms }) => ({
    name,
    description,
    pool,
    input_schema,
    ...(timeout_ms !== undefined && { timeout_ms }),
  }));
}
