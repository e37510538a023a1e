/** Whoever sees "4 ready" for ever can't know what is missing: a display names the pools that nobody serves. */

import type { TaskCalls } from "../../client/calls/task-calls.ts";
import type { RunView } from "../../client/replies.ts";
import { watchUnservedMs } from "../../limits.ts";
import { oneLine } from "../plain-text.ts";
import type { Progress } from "./progress.ts";

/** Ready tasks whose pools are named when nothing runs. */
const readyLooked = 100;

/** Says of each pool once that ready tasks wait for it while nothing runs. */
export class Unserved {
  readonly #client: Pick<TaskCalls, "listTasks">;
  readonly #run: string;
  readonly #progress: Pick<Progress, "note">;
  readonly #said = new Set<string>(["hosted"]);
  #since: number | undefined;

  constructor(client: Pick<TaskCalls, "listTasks">, run: string, progress: Pick<Progress, "note">) {
    this.#client = client;
    this.#run = run;
    this.#progress = progress;
  }

  async look({ status, counts }: Pick<RunView, "status" | "counts">, signal: AbortSignal): Promise<void> {
    const now = Date.now();
    if (status !== "active" || counts.running > 0 || counts.ready === 0) this.#since = undefined;
    else this.#since ??= now;
    if (this.#since === undefined || now - this.#since < watchUnservedMs) return;
    // What is ready may be others by then: it is asked again, but no more often than this.
    this.#since = now;
    const options = { signal, retryMs: Number.POSITIVE_INFINITY };
    const { tasks } = await this.#client.listTasks(this.#run, { state: "ready", limit: readyLooked }, options);
    for (const { pool } of tasks) {
      if (this.#said.has(pool)) continue;
      this.#said.add(pool);
      const name = oneLine(pool);
      this.#progress.note(
        `Nothing runs: ready tasks wait for a worker of the pool ${name}, as: heddle work --pool ${name} -- COMMAND`,
      );
    }
  }
}
