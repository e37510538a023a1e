/** What the endpoint of a run's webhook was sent, against the log: every event of which it tells, and no other. */

import type { EventView } from "../../src/client/index.ts";
import type { FoundRun, World } from "../history.ts";
import type { Broken } from "./violation.ts";

export function webhookRules(world: World, run: string, found: FoundRun, isCopy: boolean): Broken[] {
  const broken: Broken[] = [];
  const texts = new Map<string, string>();
  const told = new Set<number>();
  const ids = new Map<number, string>();
  for (const { run: of, id, seq, type, text, signed } of world.received) {
    if (of !== run) continue;
    told.add(seq);
    if (isCopy) broken.push({ sort: "wrong", rule: "a copy tells nobody", about: id, told: type, found: text });
    if (!signed) broken.push({ sort: "wrong", rule: "a message is signed", about: id, told: type, found: text });
    if ((ids.get(seq) ?? id) !== id)
      broken.push({
        ...{ sort: "twice", rule: "an event is told under one id", about: `event ${seq}` },
        ...{ told: ids.get(seq), found: id },
      });
    ids.set(seq, id);
    const there = found.events[seq - 1];
    if (!there || typeTold(there) !== type)
      broken.push({ sort: "wrong", rule: "a webhook tells what is in the log", about: id, told: type, found: there });
    if ((texts.get(id) ?? text) !== text)
      broken.push({
        ...{ sort: "wrong", rule: "a message is the same at every attempt", about: id },
        ...{ told: texts.get(id), found: text },
      });
    texts.set(id, text);
  }
  if (isCopy) return broken;
  for (const event of found.events)
    if (typeTold(event) !== undefined && !told.has(event.seq))
      broken.push({
        sort: "lost",
        rule: "a webhook is told of each event",
        about: event.type,
        told: event,
        found: null,
      });
  return broken;
}

/** By the documentation's table, and not by the code that sends. */
export function typeTold({ type, status, state, question }: EventView): string | undefined {
  switch (type) {
    case "call_waiting":
      return question === undefined ? undefined : "run.question";
    case "task_ended":
      return `task.${state}`;
    case "run_ended":
      return `run.${status}`;
    case "finding":
      return "run.finding";
    case "run_paused":
    case "run_resumed":
    case "run_reopened":
    case "task_created":
    case "task_started":
    case "task_retried":
      return type.replace("_", ".");
    default:
      return undefined;
  }
}
