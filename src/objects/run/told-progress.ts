/**
 * What pull workers last told of the tasks that they carry out. Volatile, and in no log: it is for those who look meanwhile, and
 * nothing is decided, counted or billed by it. With the object's memory it is forgotten, and the next report brings it back.
 *
 * Bounded: of more tasks than `toldProgressMax` the one that reported least lately is forgotten.
 */

import type { TaskProgress, TaskProgressReport } from "../../contract/shapes.ts";
import { toldProgressMax } from "../../limits.ts";
import type { Task } from "../../scheduler/task.ts";

interface Told {
  readonly fence: number;
  readonly at: number;
  readonly report: TaskProgressReport;
}

export class ToldProgress {
  /** By task; who reported last stands last. */
  readonly #told = new Map<number, Told>();

  tell(task: number, told: Told): void {
    this.#told.delete(task);
    this.#told.set(task, told);
    if (this.#told.size <= toldProgressMax) return;
    const [oldest] = this.#told.keys();
    this.#told.delete(oldest!);
  }

  /** Of its present attempt; null where there is none, or it told nothing. */
  of({ n, phase }: Task): TaskProgress | null {
    const told = this.#told.get(n);
    if (!told || phase.state !== "running" || phase.fence !== told.fence) return null;
    return { at: told.at, ...told.report };
  }
}
