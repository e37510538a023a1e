/**
 * The harness's sessions by the task that they carried out, so that a task's own tasks begin with a copy of its session.
 *
 * Known to this worker process alone, and bounded: where a session is not known, the context is told as text.
 */

import type { Lease } from "../../../client/replies.ts";
import { harnessSessionsMax } from "../../../limits.ts";

export class ParentSessions {
  /** By task; whose was told last stands last. */
  readonly #sessions = new Map<string, string>();

  /** The task is carried out in this session, until another is told. */
  tell(task: string, session: string): void {
    this.#sessions.delete(task);
    this.#sessions.set(task, session);
    if (this.#sessions.size <= harnessSessionsMax) return;
    const [oldest] = this.#sessions.keys();
    this.#sessions.delete(oldest!);
  }

  /** What the task's context goes on from; one with less than all of its parent's context goes on from none. */
  of({ parent, fork }: Pick<Lease["task"], "parent" | "fork">): string | undefined {
    return parent !== null && fork.mode === "full" ? this.#sessions.get(parent) : undefined;
  }
}
