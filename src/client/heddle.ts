/**
 * The typed client of Heddle's HTTP API. `runs` gives runs as objects that one works with; beside it is one method for each
 * call, which takes and answers what goes over the wire (calls/, a file a resource).
 *
 * Every method repeats itself over lost connections and temporary refusals without a second effect, throws HeddleProblem or
 * HeddleUnreachable, and ends at once when `signal` aborts. A server that restarts in between is not noticed.
 */

import { EventCalls } from "./calls/event-calls.ts";
import { PoolWork, type WorkOptions } from "./pool/pool-work.ts";
import { Runs } from "./run/runs.ts";

/** Heddle, as a key sees it. It holds nothing open, and one serves any number of runs at a time. */
export class Heddle extends EventCalls {
  /** Runs as objects: `await heddle.runs.create({ … })`. */
  readonly runs: Runs = new Runs(this);

  /**
   * Serves a pool: leases its tasks, has each carried out by `run`, and delivers what that answers. Leases are renewed; a task whose
   * lease is lost has its `signal` aborted. @throws HeddleProblem when leasing is refused for good
   */
  async work(options: WorkOptions): Promise<void> {
    return new PoolWork(this, options).work();
  }
}
