/** Tasks as checkpoint rows hold them: fields at their usual value are left out, since most of an ended task's are. */

import { blankTask, nothing, type Task } from "../../scheduler/task.ts";
import { taskFields } from "../../scheduler/task-record.ts";

const usual = {
  key: undefined,
  keyFreed: false,
  parent: 0,
  depth: 1,
  after: nothing,
  runOnFailure: false,
  detached: false,
  maxTokens: 0,
  lineage: 0,
  labels: undefined,
  scope: undefined,
  generation: 1,
  turnGeneration: 0,
  attempts: 0,
  losses: 0,
  failures: 0,
  turns: 0,
  head: undefined,
  window: undefined,
  calls: nothing,
  callsLeft: false,
  inbox: nothing,
  given: 0,
  noted: nothing,
  holds: nothing,
  permits: nothing,
  absences: nothing,
  chain: 1,
  dependents: nothing,
  awaiters: nothing,
  children: nothing,
  childrenMade: 0,
  liveChildren: 0,
  childrenFailed: 0,
  observed: false,
  readyAt: 0,
  startedAt: 0,
  clockAt: 0,
  endedAt: 0,
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  treeTokens: 0,
  reserved: 0,
  treeReserved: 0,
  nanos: 0,
  reservedNanos: 0,
  unpricedTokens: 0,
  simulated: false,
} satisfies Partial<Task>;

/** Made ready once: a checkpoint may pack a run's every task. */
const fields = taskFields.map((name) => {
  const standard: unknown = usual[name as keyof typeof usual];
  return { name, isLeftOut: name in usual, standard, isList: Array.isArray(standard) };
});

/** The task as plain JSON, its number first (page-text.ts). */
export function packTask(task: Task): Record<string, unknown> {
  const packed: Record<string, unknown> = {};
  for (const { name, isLeftOut, standard, isList } of fields) {
    const value = task[name];
    if (isLeftOut && (value === standard || (isList && Array.isArray(value) && value.length === 0))) continue;
    packed[name] = value;
  }
  return packed;
}

const whole = { ...blankTask, ...usual };

/** The inverse. */
export const unpackTask = (packed: Record<string, unknown>): Task => ({ ...whole, ...packed }) as unknown as Task;
