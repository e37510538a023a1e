/** Tasks that fail for what no agent, retry or other plan can mend: the rules of their faults say what an operator can. */

import { type FaultClass, faults, type MendedFault, ruleOf } from "../../errors/faults.ts";
import type { TraceEvent } from "../trace-event.ts";
import type { Detector, Found } from "./found.ts";
import type { RunFacts } from "./run-facts.ts";
import { evidenceMax, subjectsMax } from "./thresholds.ts";

interface Failed {
  readonly tasks: Set<number>;
  readonly evidence: number[];
  readonly said: string;
}

const isMended = (code: string): code is MendedFault =>
  Object.hasOwn(faults, code) && ruleOf(code as FaultClass).mend !== undefined;

export class NeedsOperator implements Detector {
  readonly #failed = new Map<MendedFault, Failed>();

  event(event: TraceEvent): void {
    const failed = event.type === "task_fell_back" || (event.type === "task_ended" && event.state === "failed");
    if (!failed || !event.error) return;
    const { code, message } = event.error;
    if (!isMended(code)) return;
    const known = this.#failed.get(code) ?? { tasks: new Set(), evidence: [], said: message };
    this.#failed.set(code, known);
    known.tasks.add(event.task);
    if (known.evidence.length < evidenceMax) known.evidence.push(event.seq);
  }

  finish(facts: RunFacts): Found[] {
    return Array.from(this.#failed, ([fault, { tasks, evidence, said }]) => {
      const subjects = [...tasks].slice(0, subjectsMax);
      const { finding, what, mend } = faults[fault];
      const failed = tasks.size === 1 ? "A task has failed" : `${tasks.size} tasks have failed`;
      return {
        kind: finding,
        severity: "error",
        subjects,
        evidence,
        message: `${failed} with ${fault}: ${facts.names(subjects, 3)}. ${what} ("${said}") ${mend}`,
      };
    });
  }
}
