/** A run's context: what the main agent appends, and snapshots. */

import { RawJson } from "../context/json-text.ts";
import { appended, snapshotView } from "../contract/responses.ts";
import { appendContextBody, snapshotQuery } from "../contract/run-requests.ts";
import type { SnapshotView } from "../contract/shapes.ts";
import { messageTexts } from "../contract/task-texts.ts";
import { Fault } from "../errors/fault.ts";
import { isSnapshotHash } from "../ids.ts";
import { ask } from "./objects.ts";
import { keyRoute } from "./route.ts";

export const contextRoutes = [
  keyRoute(
    ["runs"],
    {
      method: "POST",
      path: "/v1/runs/:run/context",
      stores: "in_run",
      summary: "Append the messages by which the main agent's context grew",
      body: appendContextBody,
      answer: { status: 200, schema: appended },
      problems: ["unknown_snapshot", "context_too_large", "run_ended"],
    },
    ({ theRun, body, text, idem }) =>
      ask(theRun().appendContext({ after: body.after, messages: messageTexts(text, "messages") }, idem)),
  ),

  keyRoute(
    // Pull workers fetch what was too large to travel with a lease.
    ["runs", "workers"],
    {
      method: "GET",
      path: "/v1/runs/:run/snapshots/:hash",
      summary: "A snapshot's messages",
      query: snapshotQuery,
      answer: { status: 200, schema: snapshotView },
      problems: ["unknown_snapshot"],
    },
    async ({ theRun, params, query }) => {
      if (!isSnapshotHash(params.hash)) throw new Fault("not_found", "there is no such snapshot");
      return withContext(await ask(theRun().snapshot(params.hash, query.after)));
    },
  ),
];

/** `{snapshot, parent}` and the context's own fields beside them, its text untouched. */
function withContext({ snapshot, parent, contextText }: SnapshotView): RawJson {
  const head = JSON.stringify({ snapshot, parent });
  return new RawJson(`${head.slice(0, -1)},${contextText.trimStart().slice(1)}`);
}
