/** The runs of a tenant, as objects. */

import { everyRow } from "../every-row.ts";
import type { Heddle } from "../heddle.ts";
import type { RunRow } from "../replies.ts";
import type { RunSpec, RunsQuery } from "../requests.ts";
import type { CallOptions } from "../transport.ts";
import { Run } from "./run.ts";

/** Runs: new ones, and those that there are. */
export class Runs {
  readonly #heddle: Heddle;

  constructor(heddle: Heddle) {
    this.#heddle = heddle;
  }

  /** A new run. @throws HeddleProblem `validation_failed`, whose `errors` name the fields */
  async create(spec: RunSpec = {}, options: CallOptions = {}): Promise<Run> {
    const { id, snapshot } = await this.#heddle.createRun(spec, options);
    return new Run(this.#heddle, id, { snapshot, ...(!spec.from && { messages: spec.context?.messages ?? [] }) });
  }

  /** A run that there is, by its id. Asks nobody: its first call tells if it is none. */
  get(id: string): Run {
    return new Run(this.#heddle, id);
  }

  /** All runs, or those of a `status` or `name`, oldest first, or with `order: "desc"` newest first, as the index knows them. */
  list(query: RunsQuery = {}, options: CallOptions = {}): AsyncGenerator<RunRow, void, void> {
    return everyRow(
      (at) => this.#heddle.listRuns({ ...query, ...at }, options),
      ({ runs }) => runs,
      query.cursor,
    );
  }
}
