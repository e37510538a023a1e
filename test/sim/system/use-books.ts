/**
 * Ops on variables as one run's log tells of them.
 *
 * U2. A use stands where its caller waited for it: a task in its lease, at the turn that called; a session that lives.
 * U3. Nothing is there twice: each version of a place is made once, each item appended once; and nothing that was not carried out.
 */

import type { SchedulerEvent, VariableUse } from "../../../src/scheduler/events.ts";
import type { RunState } from "../../../src/scheduler/state.ts";
import { FindingsFold } from "../../../src/trace/findings/findings.ts";

export class UseBooks {
  readonly #made = new Set<string>();
  /** By list: ranges of items, from and to. */
  readonly #appended = new Map<string, [number, number][]>();
  readonly #newest = new Map<string, number>();
  readonly #findings = new FindingsFold(String);

  /** Before the event is applied. */
  add(state: RunState, seq: number, at: number, event: SchedulerEvent): void {
    this.#findings.add({ ...event, seq, at });
    if (event.type !== "variables_used") return;
    for (const use of event.uses) {
      const why = this.#wrong(state, use);
      if (why) throw new Error(`${why}, at event ${seq}: ${JSON.stringify(use)}`);
    }
  }

  #wrong(state: RunState, use: VariableUse): string | undefined {
    const { task, turn = 0, name, key, made, saw } = use;
    const caller = task === undefined ? undefined : state.find(task);
    if (task !== undefined && caller?.phase.state !== "running") return "[U2] its caller is not there";
    if (task !== undefined && task > 0 && caller!.turns !== turn) return "[U2] its caller is at another turn";
    if (made !== undefined && made > 0) {
      const what = JSON.stringify([name, key, made]);
      if (this.#made.has(what)) return "[U3] a version is made twice";
      this.#made.add(what);
      this.#newest.set(name, Math.max(made, this.#newest.get(name) ?? 0));
      if (saw === undefined || saw >= made) return "[U3] a version was made of a later one";
    }
    if (use.op !== "append" || typeof use.from !== "number" || typeof use.to !== "number") return undefined;
    const ranges = this.#appended.get(name) ?? [];
    if (ranges.some(([from, to]) => (use.from as number) < to && (use.to as number) > from))
      return "[U3] an item twice";
    this.#appended.set(name, [...ranges, [use.from, use.to]]);
    return undefined;
  }

  /** What variables hold in the end: an atomic that was only added to, one at a time, and a list. */
  checkSum(name: string, value: number): void {
    const newest = this.#newest.get(name) ?? 0;
    if (newest > value) throw new Error(`[U3] the log has version ${newest} of ${name}, which is ${value}`);
  }

  checkList(name: string, length: number): void {
    const most = Math.max(0, ...(this.#appended.get(name) ?? []).map(([, to]) => to));
    if (most > length) throw new Error(`[U3] the log has ${most} items of ${name}, which has ${length}`);
  }

  /** Whatever faults there were, the log can be folded. */
  checkFold(now: number): void {
    for (const { kind, evidence, message } of this.#findings.finish(now))
      if (evidence.length === 0) throw new Error(`a finding without evidence: ${kind}: ${message}`);
  }
}
