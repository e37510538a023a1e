/**
 * What `heddle top` knows of a run: the run's own view, and a fold of its events for what that does not tell. Pure.
 *
 * It begins with the tasks that run or are parked and goes on with the events after them; replaying events that the tasks have
 * seen already changes nothing, so the two need not be of the same moment.
 */

import type { EventView, FindingView, RunView, TaskView } from "../../client/replies.ts";
import { topFindings, topRateSeconds } from "../../limits.ts";
import { progressText } from "../look/task-text.ts";

export interface Working {
  readonly id: string;
  readonly name: string;
  readonly since: number;
  readonly turns: number;
  /** What its pull worker tells; "" where it tells nothing. */
  readonly progress: string;
}

/** What a task is parked on, by the calls that wait. */
type Waits = Map<string, string>;

export class TopState {
  run: RunView;
  /** When the server answered last. */
  seenAt: number;
  readonly #names = new Map<string, string>();
  readonly #working = new Map<string, { since: number; turns: number; isPulled: boolean }>();
  /** What pull workers told when somebody looked last. */
  readonly #progress = new Map<string, { text: string; turns: number }>();
  readonly #parked = new Map<string, { on: string | undefined; waits: Waits }>();
  readonly #waits = new Map<string, Waits>();
  readonly #findings: Pick<FindingView, "kind" | "severity" | "message">[];
  /** Events by the second in which they came. */
  readonly #came = new Map<number, number>();
  #since: number;
  #seq: number;

  constructor(
    run: RunView,
    { tasks, findings, now }: { tasks: readonly TaskView[]; findings: readonly FindingView[]; now: number },
  ) {
    this.run = run;
    this.seenAt = now;
    this.#since = now;
    this.#seq = run.last_seq;
    this.#findings = findings.slice(-topFindings);
    for (const task of tasks) {
      const name = task.title ?? task.key;
      if (name !== null) this.#names.set(task.id, name);
      if (task.state === "running") {
        const isPulled = task.pool !== "hosted";
        this.#working.set(task.id, { since: task.timings.started_at ?? now, turns: task.turns, isPulled });
        this.looked(task);
      }
      if (task.state === "parked") this.#parked.set(task.id, { on: reasonOf(task), waits: new Map() });
    }
  }

  /** A task as it is now: no event tells its worker's progress. */
  looked({ id, progress }: Pick<TaskView, "id" | "progress">): void {
    // A server of a version before knows of none.
    if (!progress) return void this.#progress.delete(id);
    const { turns = 0, ...told } = progress;
    this.#progress.set(id, { text: progressText({ progress: told }), turns });
  }

  /** Tasks that pull workers carry out, the longest first: their progress has to be asked for. */
  pulled(most: number): string[] {
    return this.working()
      .filter(({ id }) => this.#working.get(id)?.isPulled)
      .slice(0, most)
      .map(({ id }) => id);
  }

  seen(run: RunView, now: number): void {
    this.run = run;
    this.seenAt = now;
  }

  add(event: EventView, now: number): void {
    this.seenAt = now;
    this.#seq = Math.max(this.#seq, event.seq);
    const second = Math.floor(now / 1000);
    this.#came.set(second, (this.#came.get(second) ?? 0) + 1);
    for (const old of this.#came.keys()) {
      if (old > second - topRateSeconds) break;
      this.#came.delete(old);
    }
    const { task } = event;
    if (event.type === "finding") {
      const { kind, severity, message } = event as unknown as FindingView;
      this.#findings.push({ kind, severity, message });
      if (this.#findings.length > topFindings) this.#findings.shift();
    }
    if (task !== undefined) this.#addOf(task, event);
  }

  #addOf(task: string, event: EventView): void {
    switch (event.type) {
      case "task_created": {
        const name = event.title ?? event.key;
        if (typeof name === "string") this.#names.set(task, name);
        return;
      }
      case "task_started":
        this.#parked.delete(task);
        this.#working.set(task, {
          since: event.at,
          turns: this.#working.get(task)?.turns ?? 0,
          isPulled: event.hosted !== true,
        });
        this.#progress.delete(task);
        return;
      case "turn": {
        const working = this.#working.get(task);
        if (working) working.turns = Number(event.turn);
        // Its calls are those of this turn from now on.
        this.#waits.delete(task);
        return;
      }
      case "call_waiting":
        this.#waitsOf(task).set(String(event.call), waitOf(event));
        return;
      case "call_done":
        this.#waits.get(task)?.delete(String(event.call));
        return;
      case "task_parked":
        this.#working.delete(task);
        this.#parked.set(task, {
          on: event.on === "calls" ? undefined : String(event.on),
          waits: this.#waitsOf(task),
        });
        return;
      case "attempt_ended":
        this.#working.delete(task);
        return;
      case "task_ready":
        this.#parked.delete(task);
        return;
      case "task_ended":
        this.#working.delete(task);
        this.#parked.delete(task);
        this.#waits.delete(task);
        this.#progress.delete(task);
    }
  }

  #waitsOf(task: string): Waits {
    let waits = this.#waits.get(task);
    if (!waits) {
      waits = new Map();
      this.#waits.set(task, waits);
    }
    return waits;
  }

  /** The last event that was seen. */
  get seq(): number {
    return Math.max(this.#seq, this.run.last_seq);
  }

  get findings(): readonly Pick<FindingView, "kind" | "severity" | "message">[] {
    return this.#findings;
  }

  /** Tasks that work and were made before it looked, the longest first: their names have to be asked for. */
  nameless(most: number): string[] {
    return this.working()
      .filter(({ id }) => !this.#names.has(id))
      .slice(0, most)
      .map(({ id }) => id);
  }

  /** `name`: null for a task that has none. */
  named(id: string, name: string | null): void {
    this.#names.set(id, name ?? "");
  }

  /** Those that have worked longest in their present attempt first. */
  working(): Working[] {
    return Array.from(this.#working, ([id, { since, turns }]) => ({
      id,
      name: this.#names.get(id) ?? "",
      since,
      turns: Math.max(turns, this.#progress.get(id)?.turns ?? 0),
      progress: this.#progress.get(id)?.text ?? "",
    })).sort((a, b) => a.since - b.since);
  }

  /** How many tasks are parked on what, most first. */
  parkedOn(): [what: string, tasks: number][] {
    const counts = new Map<string, number>();
    for (const { on, waits } of this.#parked.values()) {
      const [first] = waits.values();
      const what = on ?? first ?? "calls";
      counts.set(what, (counts.get(what) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  }

  /** Events a second, over the last seconds. */
  rate(now: number): number {
    const from = Math.floor(now / 1000) - topRateSeconds;
    let events = 0;
    for (const [second, count] of this.#came) if (second > from) events += count;
    return events / Math.min(topRateSeconds, Math.max(1, (now - this.#since) / 1000));
  }
}

function reasonOf({ waiting_on: waits }: TaskView): string | undefined {
  if (waits === null) return undefined;
  if ("children" in waits) return "children";
  if ("budget" in waits) return "budget";
  if ("tools" in waits) return `tool ${waits.tools[0]?.tool ?? ""}`.trim();
  if ("variables" in waits) return `${waits.op.split(".")[0]} ${waits.variables.join(", ")}`;
  return "tasks" in waits ? "tasks" : undefined;
}

/** As `reasonOf` names it, from the event. */
function waitOf(event: EventView): string {
  const want = event.want as { kind: string; names: string[] } | undefined;
  const remote = event.remote as { tool: string } | undefined;
  if (remote) return `tool ${remote.tool}`;
  if (!want) return "tasks";
  const kind = want.kind === "push" || want.kind === "pop" ? "message_queue" : want.kind;
  return `${kind} ${want.names.join(", ")}`;
}
