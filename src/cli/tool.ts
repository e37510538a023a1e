/** `heddle tool NAME JSON`: a tool call of the task that a command of `heddle work` runs. */

import { randomUUID } from "node:crypto";
import { isProblem } from "../client/errors.ts";
import { Heddle } from "../client/heddle.ts";
import type { ToolOutcome } from "../client/replies.ts";
import type { ToolRequest } from "../client/requests.ts";
import { waitMsMax } from "../limits.ts";
import type { Command, Given } from "./command.ts";
import { serverUrl } from "./connection.ts";
import { exitStatus } from "./exit-status.ts";
import { parseInput, readInput } from "./json-input.ts";
import { problemText } from "./problem-text.ts";
import { UsageError } from "./usage.ts";

export const toolCommand: Command = {
  name: "tool",
  group: "Work",
  summary: "inside such a command: call a tool as the task",
  words: [{ name: "NAME" }, { name: "JSON", optional: true }],
  flags: {
    "call-id": {
      value: "ID",
      about: `a name for the call: made again by another attempt of the task, it gets its first answer and is
not done twice`,
    },
    json: { about: "taken for the sake of sameness: what it prints is always JSON" },
  },
  ask: "Give a tool's name and its arguments as one JSON text.",
  about: `Calls one of Heddle's tools as the task that is being run, in a command that \`heddle work\` started (it sets HEDDLE_LEASE and
HEDDLE_URL). JSON is the tool's arguments ("-" for stdin; default {}). Waits as long as the call blocks.
Prints the result as JSON.`,
  more: `Exit status: 0 a result; 1 an error that the tool answered, printed as {"error": …};
2 usage; 3 server not reached; 4 the lease is lost: stop working on the task.

Examples:
  heddle tool create_task '{"tasks": [{"key": "a", "instructions": "…"}]}'
  heddle tool await_tasks '{"tasks": ["a"]}'
  heddle tool --call-id lines atomic '{"op": "add", "name": "lines", "delta": 12}'`,
  run: tool,
};

async function tool({ words, flags }: Given): Promise<number> {
  const [name, json = "{}"] = words as [string, string?];
  const lease = process.env.HEDDLE_LEASE;
  if (!lease)
    throw new UsageError("HEDDLE_LEASE is not set: this works inside a command that `heddle work` runs.", "tool");
  const args = json === "-" ? parseInput(readInput("-"), "stdin") : parseInput(json, "The second argument");
  const client = new Heddle({ url: serverUrl() });
  try {
    return print(
      await called(client, lease, name, {
        arguments: args,
        call_id: (flags["call-id"] as string | undefined) ?? `call_${randomUUID()}`,
      }),
    );
  } catch (error) {
    if (isProblem(error, "not_found"))
      throw new UsageError(
        `There is no tool "${name}". A task has create_task, await_tasks, inspect, cancel_task and finish, and one tool for each kind of shared variable, as lock.`,
      );
    if (!isProblem(error, "lease_lost")) throw error;
    process.stderr.write(`heddle: ${problemText(error)}\n`);
    return exitStatus.leaseLost;
  }
}

/** A call that blocks is taken up again, under its own id, until it is over: the waiter keeps its place. */
async function called(client: Heddle, lease: string, name: string, request: ToolRequest): Promise<ToolOutcome> {
  for (;;) {
    const outcome = await client.callLeaseTool(lease, name, { ...request, wait_ms: waitMsMax });
    if (!("pending" in outcome)) return outcome;
  }
}

function print(outcome: ToolOutcome): number {
  process.stdout.write(`${JSON.stringify("result" in outcome ? outcome.result : outcome)}\n`);
  return "result" in outcome ? exitStatus.ok : exitStatus.failed;
}
