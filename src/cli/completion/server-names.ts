/** Names that only the server knows. Whatever goes wrong there are none: somebody is typing, and wants no message. */

import type { RunRow } from "../../client/replies.ts";
import { completionMs, completionNamesMax } from "../../limits.ts";
import { connect } from "../connection.ts";
import { newestRuns } from "../look/newest-runs.ts";
import type { Candidate, Completion } from "./candidates.ts";

export async function serverNames({ names, run }: Completion & { kind: "names" }): Promise<Candidate[]> {
  try {
    const client = connect();
    const options = { signal: AbortSignal.timeout(completionMs), retryMs: 0 };
    if (names === "run") {
      const { kept } = await newestRuns(client, {}, completionNamesMax, options);
      return kept.reverse().map(runCandidate);
    }
    if (run === undefined) return [];
    if (names === "task") {
      const { tasks } = await client.listTasks(run, { limit: completionNamesMax }, options);
      // A key names a task only among those posted to the run.
      return tasks.map(({ id, key, title, state, parent }) => ({
        value: parent === null && key !== null ? key : id,
        about: [state, title].filter(Boolean).join(", "),
      }));
    }
    const { variables } = await client.variables(run, { limit: completionNamesMax }, options);
    return variables.map(({ name, kind }) => ({ value: name, about: kind }));
  } catch {
    return [];
  }
}

const runCandidate = ({ id, name, status }: RunRow): Candidate => ({
  value: id,
  about: [status, name].filter(Boolean).join(", "),
});
