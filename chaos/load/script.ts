/** What the tasks of a run are asked to do: drawn from chance, each with what it must come to. */

import type { Random } from "../../test/sim/random.ts";
import type { Op, Planned, ToolWord } from "../history.ts";
import { planB, race, reviews, trip } from "./groups.ts";

/** A task as it is posted, beside what is expected of it. */
export interface Scripted {
  readonly spec: Readonly<Record<string, unknown>> & { readonly key: string };
  readonly planned: Planned;
}

/** What is posted at once. */
export interface Batch {
  readonly tasks: readonly Scripted[];
  /** The terms of its groups, where they are not the default ones. */
  readonly groups?: Readonly<Record<string, object>>;
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

export const says = (key: string, text: string, latency_ms: number, more: object = {}): Scripted => ({
  spec: { key, instructions: plays([{ latency_ms, text }]), ...more },
  planned: { key, expected: { kind: "result", result: text } },
});

/** It says itself that it fails. */
export const fails = (key: string, latency_ms: number, more: object = {}): Scripted => {
  const calls = [{ tool: "finish", arguments: { error: { code: "broken", message: `${key} broke` } } }];
  return {
    spec: { key, instructions: plays([{ latency_ms, calls }]), ...more },
    planned: { key, expected: { kind: "failed", code: "broken" } },
  };
};

/** A unit of work that is posted at once. */
export function batch(random: Random, kind: BatchKind, id: string): Batch {
  switch (kind) {
    case "fan":
      return { tasks: fan(random, id) };
    case "broken":
      return { tasks: broken(id) };
    case "values":
      return { tasks: [opsTask(random, `${id}-v`, valueOps(random, `${id}-v`))] };
    case "guarded":
      return { tasks: [1, 2].map((i) => opsTask(random, `${id}-g${i}`, guardedOps(`${id}-g${i}`))) };
    case "permits":
      return { tasks: [1, 2, 3].map((i) => opsTask(random, `${id}-p${i}`, permitOps(`${id}-p${i}`))) };
    case "meeting":
      return { tasks: [1, 2, 3].map((i) => opsTask(random, `${id}-m${i}`, meetingOps(id, i))) };
    case "pulled":
      return { tasks: [1, 2, 3].map((i) => pulled(`${id}-w${i}`)) };
    case "worked":
      return { tasks: [1, 2, 3].map((i) => worked(random, `${id}-c${i}`)) };
    case "stamped":
      return { tasks: [1, 2].map((i) => stamped(random, `${id}-t${i}`)) };
    case "family":
      return { tasks: [family(random, `${id}-f`)] };
    case "asked":
      return { tasks: [asked(`${id}-a`)] };
    case "crossed":
      return { tasks: [1, 2].map((i) => crossed(random, id, i)) };
    case "late":
      return { tasks: [late(random, `${id}-n`)] };
    case "dear":
      return { tasks: [dear(random, `${id}-d`)] };
    case "reviews":
      return reviews(random, id);
    case "trip":
      return trip(random, id);
    case "race":
      return race(random, id);
    case "plan-b":
      return planB(random, id);
  }
}

export const batchWeights = {
  ...{ fan: 3, broken: 1, values: 3, guarded: 2, permits: 1, meeting: 1, pulled: 2, worked: 4 },
  ...{ stamped: 4, family: 1, asked: 2, crossed: 1, late: 1, dear: 1, reviews: 1, trip: 2, race: 1, "plan-b": 1 },
};
export type BatchKind = keyof typeof batchWeights;

/** Of batches that end the same when one of their tasks begins again: its place. */
export const retriable: Partial<Record<BatchKind, number>> = { broken: 0, reviews: 1, trip: 1 };

const pulled = (key: string): Scripted => ({
  spec: { key, pool: "box", instructions: `work ${key}` },
  planned: { key, expected: { kind: "result", result: `done work ${key}` } },
});

/** A command carries it out. It may not fail once: that its worker is stopped or killed is no failure of its own. */
const worked = (random: Random, key: string): Scripted => ({
  spec: { key, pool: "shell", retries: { limit: 0 }, instructions: `work ${key} ${random.int(300, 4000)}` },
  planned: { key, expected: { kind: "worked" } },
});

/** Calls of tools that are carried out elsewhere, side by side in each of two turns. */
function stamped(random: Random, key: string): Scripted {
  const words = Array.from({ length: random.int(2, 4) }, (_, i): ToolWord => {
    return { tool: random.pick(["stamp", "press"])!, word: `${key}-${i}` };
  });
  const cut = random.int(1, words.length - 1);
  const turns = [words.slice(0, cut), words.slice(cut)].map((some) => ({
    latency_ms: random.int(0, 300),
    calls: some.map(({ tool, word }) => ({ tool, arguments: { word } })),
  }));
  const text = `[${words.map((_, i) => (i < cut ? `{{1.${i}}}` : `{{2.${i - cut}}}`)).join(",")}]`;
  return {
    spec: { key, instructions: plays([...turns, { text }]) },
    planned: { key, expected: { kind: "stamped" }, words },
  };
}

/** It makes two children by a call of its own, and waits for them. */
function family(random: Random, key: string): Scripted {
  const tasks = ["x", "y"].map((name) => says(name, `${name} of ${key}`, random.int(0, 800)).spec);
  const turns = [
    { calls: [{ tool: "create_task", arguments: { tasks } }] },
    { calls: [{ tool: "await_tasks", arguments: { tasks: ["x", "y"] } }] },
    { text: "{{2.0.tasks.0.result}}, {{2.0.tasks.1.result}}" },
  ];
  return {
    spec: { key, instructions: plays(turns) },
    planned: { key, expected: { kind: "result", result: `x of ${key}, y of ${key}` }, children: 2 },
  };
}

const askOf = (key: string): string => `May ${key}?`;
export const answerTo = (ask: string): string => `yes: ${ask}`;

/** It asks somebody outside, and is what it was told. */
function asked(key: string): Scripted {
  const question = op("future", `${key}-may`, "await", { ask: askOf(key) });
  return {
    spec: { key, instructions: plays([{ calls: [question] }, { text: "{{1.0.value}}" }]) },
    planned: { key, expected: { kind: "result", result: answerTo(askOf(key)) } },
  };
}

/** Two take two locks, each in the other's order: where they meet one of the waits has to be ended. */
function crossed(random: Random, id: string, i: number): Scripted {
  const key = `${id}-x${i}`;
  const locks = [`${id}-one`, `${id}-two`];
  if (i === 2) locks.reverse();
  const calls = ["acquire", "release"].flatMap((what) => locks.map((name) => op("lock", name, what)));
  const turns = calls.map((call) => ({ latency_ms: random.int(0, 400), calls: [call] }));
  return {
    spec: { key, instructions: plays([...turns, { text: `through ${key}` }]) },
    planned: { key, expected: { kind: "result", result: `through ${key}` } },
  };
}

/** Nothing but its time ends its wait. */
function late(random: Random, key: string): Scripted {
  const wait = op("future", `${key}-never`, "await", { timeout_ms: random.int(500, 6000) });
  return {
    spec: { key, instructions: plays([{ calls: [wait] }, { text: `late ${key}` }]) },
    planned: { key, expected: { kind: "result", result: `late ${key}` } },
  };
}

/** Its call is billed above what anybody could reserve for it. */
const dear = (random: Random, key: string): Scripted => ({
  spec: { key, instructions: plays([{ text: `dear ${key}`, usage: { input: 3000, output: random.int(2000, 9000) } }]) },
  planned: { key, expected: { kind: "result", result: `dear ${key}` } },
});

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
