/** A workspace whose tools a run gets while `heddle run` watches it: declared in the run, served by the same process. */

import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Heddle } from "../../client/heddle.ts";
import type { RemoteTool } from "../../client/requests.ts";
import { maxLoadPercentDefault, runWorkspaceConcurrency } from "../../limits.ts";
import type { WorkReport } from "../worker/report.ts";
import { Worker } from "../worker/worker.ts";
import { ToolWork } from "./tool-work.ts";
import { declarationsOf } from "./workspace/declarations.ts";
import { type Workspace, workspaceTools } from "./workspace/workspace.ts";
import { openWorkspace, type WorkspaceFlags } from "./workspace-flags.ts";

export class ServedWorkspace {
  readonly tools: readonly RemoteTool[];
  readonly #workspace: Workspace;
  /** Nobody else's: calls of this run come here, and no others do. */
  readonly #pool = `workspace-${randomBytes(8).toString("hex")}`;

  /** @throws UsageError when the folder is none */
  constructor(flags: WorkspaceFlags) {
    this.#workspace = openWorkspace(flags);
    this.tools = declarationsOf(this.#pool, flags.rights);
  }

  /** Serves until the answer is called, which stops what still runs. `say` gets what is wrong. */
  serve(client: Heddle, say: (text: string) => void): () => Promise<void> {
    const options = {
      worker: `${hostname()}:${process.pid}`.slice(-200),
      concurrency: runWorkspaceConcurrency,
      maxLoad: maxLoadPercentDefault / 100,
    };
    const kind = new ToolWork(client, this.#pool, workspaceTools, this.#workspace);
    const worker = new Worker(client, kind, options, quiet(say));
    const onExit = () => this.#workspace.kill();
    process.on("exit", onExit);
    const working = worker.work().then(
      () => undefined,
      (error: unknown) => say(`The workspace is not served: ${(error as Error).message}`),
    );
    return async () => {
      worker.kill();
      await working;
      process.off("exit", onExit);
    };
  }
}

/** The run's own display shows what its tasks do; a worker beside it tells only of trouble. */
function quiet(say: (text: string) => void): WorkReport {
  const nothing = () => {};
  return {
    started: nothing,
    doing: nothing,
    ended: nothing,
    lost: nothing,
    undelivered: ({ name }, error) => say(`${name} could not be delivered: ${(error as Error).message}`),
    load: nothing,
    trouble: (error) => say((error as Error).message),
    away: nothing,
    here: nothing,
    say,
    close: nothing,
  };
}
