/** `heddle logs` */

import { everyRow } from "../../client/every-row.ts";
import type { Heddle } from "../../client/heddle.ts";
import type { EventView } from "../../client/replies.ts";
import { pageRowsMax } from "../../limits.ts";
import type { Command, Given } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { note, paintOf, say, sayJson } from "../screen/output.ts";
import { onSignals } from "../signals.ts";
import { UsageError, wholeNumber } from "../usage.ts";
import { EventLines, globPattern, isAbout } from "./event-line.ts";

export const logsCommand: Command = {
  name: "logs",
  group: "Look",
  summary: "a run's log; -f follows it to the run's end",
  words: [{ name: "RUN", names: "run" }],
  flags: {
    follow: { short: "f", about: "go on with what happens, until the run has ended" },
    after: { value: "SEQ", about: "only events after this one (the number behind #)" },
    task: { value: "TASK", names: "task", about: "only events of this task, or that name it" },
    type: {
      value: "GLOB",
      many: true,
      about: 'only events of these types, as in "task_*,finding"; may be given more than once',
    },
    json: { about: "one JSON object per event, as the API has it" },
  },
  ask: "Name one run.",
  about: `Prints the run's log, one line an event: when, #number, type, task, and what else the event says.
With -f it stays and prints events as they happen. A connection that breaks is taken up again where it was.`,
  more: `Ctrl-C ends following; the run goes on.
Exit status: 0 the log's end, with -f the run's end; 1 no such run or task, or the server refused; 2 usage;
3 server not reached, or lost for 30 s; 130 interrupted.

Examples:
  heddle logs run_… -f --type "task_*" --type finding
  heddle logs run_… --after 120 --task report --json`,
  run: logs,
};

async function logs({ flags, words: [run] }: Given): Promise<number> {
  const after = wholeNumber(flags, "after", { min: 0, max: Number.MAX_SAFE_INTEGER, fallback: 0 });
  const types = ((flags.type as string[] | undefined) ?? []).flatMap((globs) => globs.split(",")).map(globPattern);
  const client = await reach();
  if (flags.task === "") throw new UsageError("--task is empty; name a task by its id or key.");
  const task = typeof flags.task === "string" ? (await client.task(run!, flags.task)).id : undefined;
  const seen = new Set<string>();
  let shown = 0;
  const lines = new EventLines(paintOf());
  const interrupt = new AbortController();
  const stopListening = onSignals(() => interrupt.abort());
  const events =
    flags.follow === true
      ? client.followEvents(run!, { after }, { signal: interrupt.signal })
      : logged(client, run!, after, interrupt.signal);
  try {
    for await (const event of events) {
      const line = lines.of(event);
      seen.add(event.type);
      if (types.length > 0 && !types.some((type) => type.test(event.type))) continue;
      if (task !== undefined && !isAbout(event, task)) continue;
      shown++;
      if (flags.json === true) sayJson(event);
      else say(line);
    }
    // A type that is misspelt looks like a log without such events.
    if (shown === 0 && types.length > 0 && seen.size > 0)
      note(`None of these events is of such a type: ${[...seen].sort().join(", ")}`);
    return exitStatus.ok;
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    return exitStatus.interrupted;
  } finally {
    stopListening();
  }
}

const logged = (client: Heddle, run: string, after: number, signal: AbortSignal): AsyncGenerator<EventView> =>
  everyRow(
    ({ cursor = after }) => client.events(run, { after: Number(cursor), limit: pageRowsMax }, { signal }),
    ({ events }) => events,
  );
