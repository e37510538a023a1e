/** What the tasks of a run are asked to do: drawn from chance, each with what it must come to. */

import type { Random } from "../../test/sim/random.ts";
import type { Op, Planned } from "../history.ts";

/** A task as it is posted, beside what is expected of it. */
export interface Scripted {
  readonly spec: Readonly<Record<string, unknown>> & { readonly key: string };
  readonly planned: Planned;
}

export const plays = (turns: readonly object[]): string => `Play.\n\`\`\`sim\n${JSON.stringify({ turns })}\n\`\`\``;

const op = (tool: string, name: string, what: string, more: object = {}): Op => ({
  tool,
  arguments: { op: what, name, ...more },
});

/** One call a turn; the result is the list of their answers. */
function opsTask(random: Random, key: string, ops: readonly Op[]): Scripted {
  const turns = ops.map((one) => ({ latency_ms: random.int(0, 200), calls: [one] }));
  const text = `[${ops.map((_, i) => `{{${i + 1}.0}}`).join(",")}]`;
  return {
    spec: { key, instructions: plays([...turns, { text }]) },
    planned: { key, expected: { kind: "answers" }, ops },
  };
}

const says = (key: string, text: string, latency_ms: number, more: object = {}): Scripted => ({
  spec: { key, instructions: plays([{ latency_ms, text }]), ...more },
  planned: { key, expected: { kind: "result", result: text } },
});

/** A unit of work that is posted as one batch. */
export function batch(random: Random, kind: BatchKind, id: string): Scripted[] {
  switch (kind) {
    case "fan":
      return fan(random, id);
    case "broken":
      return broken(id);
    case "values":
      return [opsTask(random, `${id}-v`, valueOps(random, `${id}-v`))];
    case "guarded":
      return [1, 2].map((i) => opsTask(random, `${id}-g${i}`, guardedOps(`${id}-g${i}`)));
    case "permits":
      return [1, 2, 3].map((i) => opsTask(random, `${id}-p${i}`, permitOps(`${id}-p${i}`)));
    case "meeting":
      return [1, 2, 3].map((i) => opsTask(random, `${id}-m${i}`, meetingOps(id, i)));
    case "pulled":
      return [1, 2, 3].map((i) => ({
        spec: { key: `${id}-w${i}`, pool: "box", instructions: `work ${id}-w${i}` },
        planned: { key: `${id}-w${i}`, expected: { kind: "result", result: `done work ${id}-w${i}` } },
      }));
  }
}

export const batchWeights = { fan: 3, broken: 1, values: 3, guarded: 2, permits: 1, meeting: 1, pulled: 2 };
type BatchKind = keyof typeof batchWeights;

/** Leaves, and one that is shown all of their results. */
function fan(random: Random, id: string): Scripted[] {
  const leaves = Array.from({ length: random.int(2, 5) }, (_, i) =>
    says(`${id}-l${i}`, `leaf ${id}-${i}`, random.int(0, 1200)),
  );
  const after = leaves.map(({ spec }) => spec.key);
  return [...leaves, says(`${id}-sum`, `sum ${id}`, random.int(0, 400), { after })];
}

/** One that fails for good, and one that depends on it. */
function broken(id: string): Scripted[] {
  return [
    {
      spec: { key: `${id}-f`, instructions: plays([{ fail: { status: 400, times: 1000 }, text: "never" }]) },
      planned: { key: `${id}-f`, expected: { kind: "failed", code: "provider_rejected" } },
    },
    {
      spec: { key: `${id}-s`, after: [`${id}-f`], instructions: plays([{ text: "never" }]) },
      planned: { key: `${id}-s`, expected: { kind: "skipped" } },
    },
  ];
}

/** An op on each kind that does not block; messages are pushed before as many are popped, so that nobody waits for long. */
export function valueOps(random: Random, id: string): Op[] {
  return [
    op("atomic", "count", "add", { delta: random.int(1, 9) }),
    op("shared_map", "tally", "increment", { key: `k${random.int(0, 3)}`, delta: random.int(1, 9) }),
    op("shared_list", "list", "append", { items: [`${id};`] }),
    op("shared_memory", "notes", "append", { text: `${id};\n` }),
    op("message_queue", "queue", "push", { messages: [`${id}/1;`, `${id}/2;`] }),
    op("message_queue", "queue", "pop", { max: 1 }),
  ];
}

export function guardedOps(who: string): Op[] {
  const fence = { lock: "guard", token: "{{1.0.token}}" };
  return [
    op("lock", "guard", "acquire"),
    op("shared_list", "sections-1", "append", { items: [`in ${who}`], fence }),
    op("shared_list", "sections-1", "append", { items: [`out ${who}`], fence }),
    op("lock", "guard", "release"),
  ];
}

const permitOps = (who: string): Op[] => [
  op("semaphore", "permits", "acquire"),
  op("shared_list", "sections-2", "append", { items: [`in ${who}`] }),
  op("shared_list", "sections-2", "append", { items: [`out ${who}`] }),
  op("semaphore", "permits", "release"),
];

/** Three meet at a barrier; the first also gives what the others wait for. */
const meetingOps = (id: string, i: number): Op[] => [
  op("barrier", `${id}-barrier`, "wait", { parties: 3 }),
  i === 1
    ? op("future", `${id}-future`, "resolve", { value: `given by ${id}` })
    : op("future", `${id}-future`, "await"),
];
