/** `heddle tools`: its command line, and a Worker that carries out calls of remote tools. */

import type { Heddle } from "../../client/heddle.ts";
import { remoteToolsMax } from "../../limits.ts";
import type { Given } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { UsageError, type Values } from "../usage.ts";
import { CommandFolder } from "../worker/command-files.ts";
import { requireCommand } from "../worker/find-command.ts";
import { poolOf, workerOptionsOf } from "../worker/flags.ts";
import { workReport } from "../worker/report.ts";
import { serve } from "../worker/serve.ts";
import { Worker } from "../worker/worker.ts";
import { CallCommand } from "./call-command.ts";
import type { Carrier } from "./carrier.ts";
import { bareEnvironment } from "./environment.ts";
import { ToolProcess } from "./tool-process.ts";
import { ToolWork } from "./tool-work.ts";
import { declarationsOf } from "./workspace/declarations.ts";
import { workspaceTools } from "./workspace/workspace.ts";
import { openWorkspace, rightsText, type WorkspaceFlags, workspaceOf } from "./workspace-flags.ts";

/** What carries out the calls while the worker works. */
interface Service {
  readonly carrier: Carrier;
  /** Of which tools calls are taken; undefined: of any. */
  readonly tools: readonly string[] | undefined;
  /** As it is said at the start. */
  readonly what: string;
  /** In good order, once the worker is done. */
  close(): Promise<void>;
  /** For a process that ends now. */
  kill(): void;
}

/** Begins to serve, once the server is reached. */
type ServiceOf = (client: Heddle, say: (text: string) => void) => Service;

export async function tools({ flags, rest: command }: Given): Promise<number> {
  const workspace = workspaceOf(flags);
  if (workspace) requireNoCommand(flags, command);
  const isPrinting = flags["print-tools"] === true;
  const pool = poolOf("tools", isPrinting ? { pool: "workspace", ...flags } : flags);
  if (isPrinting) return printTools(pool, workspace, flags);
  const options = workerOptionsOf(flags);
  const serviceOf = workspace ? workspaceService(workspace, flags) : commandService(flags, command ?? [], pool);

  const client = await reach();
  const report = workReport(flags.json === true, "calls");
  const service = serviceOf(client, (text) => report.say(text));
  const worker = new Worker(client, new ToolWork(client, pool, service.tools, service.carrier), options, report);
  const which = service.tools ? ` ${service.tools.join(", ")}` : "";
  report.say(
    `Serving tool calls${which} of pool ${pool} of ${client.url} with: ${service.what}, ${options.concurrency} at once. Arguments are untrusted input (see: heddle help tools).`,
  );
  const { forced } = await serve(worker, report, {
    onForce: "its calls are tried again elsewhere",
    close: () => service.close(),
    onExit: () => service.kill(),
  });
  return forced ? exitStatus.interrupted : exitStatus.ok;
}

/** Calls are carried out by a command of the user's. */
function commandService(flags: Values, command: readonly string[], pool: string): ServiceOf {
  if (command.length === 0)
    throw new UsageError(`The command is missing: heddle tools --pool ${pool} -- COMMAND…`, "tools");
  requireCommand(command[0]!);
  const names = toolNames(flags);
  const what = command.join(" ");
  if (flags["json-lines"] === true) {
    return (client, say) => {
      const env = { ...bareEnvironment(), HEDDLE_URL: client.url };
      const carrier = new ToolProcess(command, env, say);
      const close = () => carrier.close();
      return { carrier, tools: names, what: `${what} (one process)`, close, kill: () => carrier.kill() };
    };
  }
  return (client) => {
    const folder = new CommandFolder();
    const carrier = new CallCommand(command, folder, client.url);
    return { carrier, tools: names, what, close: async () => folder.remove(), kill: () => folder.remove() };
  };
}

/** Calls are carried out by the ready-made tools. */
function workspaceService(workspace: WorkspaceFlags, flags: Values): ServiceOf {
  const names = workspaceNames(flags) ?? [...workspaceTools];
  const carrier = openWorkspace(workspace);
  const what = `the files below ${carrier.root} (${rightsText(workspace.rights)})`;
  return () => ({ carrier, tools: names, what, close: async () => {}, kill: () => carrier.kill() });
}

function requireNoCommand(flags: Values, command: readonly string[] | undefined): void {
  if (command !== undefined || flags["json-lines"] !== undefined)
    throw new UsageError("--workspace has tools of its own, and takes no command.", "tools");
}

/** @throws UsageError for a name that no tool of a workspace has */
function workspaceNames(flags: Values): string[] | undefined {
  const names = toolNames(flags);
  const stray = names?.find((name) => !(workspaceTools as readonly string[]).includes(name));
  if (stray === undefined) return names;
  throw new UsageError(`--tool is "${stray}"; a workspace has ${workspaceTools.join(", ")}.`);
}

/** Those of `--tool`, or all that the rights allow. */
function printTools(pool: string, workspace: WorkspaceFlags | undefined, flags: Values): number {
  if (!workspace)
    throw new UsageError("--print-tools prints the tools of a workspace: heddle tools --workspace DIR --print-tools");
  const allowed = declarationsOf(pool, workspace.rights);
  const names = workspaceNames(flags) ?? allowed.map(({ name }) => name);
  const forbidden = names.find((name) => !allowed.some((tool) => tool.name === name));
  if (forbidden !== undefined)
    throw new UsageError(`--tool is "${forbidden}", which the other flags do not allow.`, "tools");
  const printed = allowed.filter(({ name }) => names.includes(name));
  process.stdout.write(`${JSON.stringify(printed, null, 2)}\n`);
  return exitStatus.ok;
}

function toolNames(flags: Values): string[] | undefined {
  const named = flags.tool as string[] | undefined;
  const names = named && [...new Set(named)];
  for (const name of names ?? [])
    if (!/^[a-zA-Z0-9_-]{1,64}$/.test(name))
      throw new UsageError(`--tool is "${name}"; a tool's name is 1 to 64 of a–z, A–Z, 0–9, _ and -.`);
  if (names && names.length > remoteToolsMax) throw new UsageError(`--tool: at most ${remoteToolsMax} names.`);
  return names;
}
