/** Tasks that fail for what no agent, retry or other plan can mend: the rules of their faults say what an operator can. */

import { type FaultClass, faults, type MendedFault, ruleOf } from "../../errors/faults.ts";
import { entryOf } from "../entry-of.ts";
import type { TraceEvent } from "../trace-event.ts";
import type { Detector, Found } from "./found.ts";
import type { RunFacts } from "./run-facts.ts";
import { evidenceMax, subjectsMax } from "./thresholds.ts";

interface Failed {
  /** By task, the event by which it failed. */
  readonly tasks: Map<number, number>;
  readonly said: string;
}

const isMended = (code: string): code is MendedFault =>
  Object.hasOwn(faults, code) && ruleOf(code as FaultClass).mend !== undefined;

export class NeedsOperator implements Detector {
  readonly #failed = new Map<MendedFault, Failed>();

  event(event: TraceEvent): void {
    // What the operator has mended is tried again, and no more to be mended.
    if (event.type === "task_retried") for (const { tasks } of this.#failed.values()) tasks.delete(event.task);
    const failed = event.type === "task_fell_back" || (event.type === "task_ended" && event.state === "failed");
    if (!failed || !event.error) return;
    const { code, message } = event.error;
    if (!isMended(code)) return;
    entryOf(this.#failed, code, () => ({ tasks: new Map(), said: message })).tasks.set(event.task, event.seq);
  }

  finish(facts: RunFacts): Found[] {
    return Array.from(this.#failed).flatMap(([fault, { tasks, said }]) => {
      if (tasks.size === 0) return [];
      const subjects = [...tasks.keys()].slice(0, subjectsMax);
      const { finding, what, mend } = faults[fault];
      const failed = tasks.size === 1 ? "A task has failed" : `${tasks.size} tasks have failed`;
      return {
        kind: finding,
        severity: "error" as const,
        subjects,
        evidence: [...tasks.values()].sort((a, b) => a - b).slice(0, evidenceMax),
        message: `${failed} with ${fault}: ${facts.names(subjects, 3)}. ${what} ("${said}") ${mend}`,
      };
    });
  }
}
