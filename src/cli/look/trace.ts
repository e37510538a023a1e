/** `heddle trace` */

import { reasonOf } from "../../client/no-answer.ts";
import type { TraceFormat } from "../../client/requests.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { outputFile, outputFlags, saveWhole } from "../files/whole-file.ts";
import { note } from "../screen/output.ts";

export const traceCommand: Command = {
  name: "trace",
  group: "Look",
  summary: "a run as a trace for Perfetto or OpenTelemetry, or its tasks as CSV",
  words: [{ name: "RUN", names: "run" }],
  flags: {
    format: {
      value: "FORMAT",
      choices: ["perfetto", "otlp", "csv"],
      about: "perfetto (default), otlp or csv",
    },
    ...outputFlags,
  },
  ask: "Name one run.",
  about: `Writes the run as a document that other tools open:

  perfetto  Chrome's trace JSON: a track for each task and each worker, arrows from what ended a wait, counters, findings.
            Open it at ui.perfetto.dev (which keeps it in the browser), in chrome://tracing or in speedscope.
  otlp      Spans for OpenTelemetry, one request's worth in JSON; model calls carry the GenAI attributes.
  csv       A row for each task, with what its time went to, its tokens and its cost.

A run that goes on is written as far as it has come.`,
  more: `A file appears under its name only when it is whole.
Exit status: 0; 1 no such run, the server refused, or the stream broke; 2 usage, or the file is there; 3 server not reached;
130 interrupted.

Examples:
  heddle trace run_… -o run.trace.json
  heddle trace run_… --format otlp | curl -H 'content-type: application/json' --data-binary @- http://localhost:4318/v1/traces`,
  run: async ({ flags, words: [run] }) => {
    const file = outputFile(flags);
    const response = await (await reach()).trace(run!, { format: (flags.format ?? "perfetto") as TraceFormat });
    try {
      const bytes = await saveWhole(file, piecesOf(response));
      if (file !== undefined) note(`${run}: ${bytes} bytes in ${file}`);
      return exitStatus.ok;
    } catch (error) {
      if (!(error instanceof BrokenOff)) throw error;
      note(`heddle: the connection broke off: ${reasonOf(error.cause)}. The trace is not whole; write it again.`);
      return exitStatus.failed;
    }
  },
};

/** The server or a proxy ended the stream in the middle. */
class BrokenOff extends Error {}

async function* piecesOf(response: Response): AsyncGenerator<Uint8Array> {
  try {
    yield* response.body as unknown as AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw new BrokenOff(undefined, { cause });
  }
}
