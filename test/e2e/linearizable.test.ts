/**
 * Each kind of variable is linearizable: histories of concurrent callers on a real server, which is killed in the middle, are
 * searched for an order that a ten-line model agrees with.
 */

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Call, linearize, type Model } from "../sim/linearizable.ts";
import { Random } from "../sim/random.ts";
import { LocalServer } from "./lib/server.ts";

let server: LocalServer;

beforeAll(async () => {
  server = await LocalServer.start();
});
afterAll(async () => {
  await server?.stop();
});

type Args = { op: string; [field: string]: unknown };
/** `by`: which caller, since holds are a caller's own. */
type Op = Args & { by: number };
type Answer = { [field: string]: unknown };
type Check = Model<unknown, Op, Answer>;

const callers = 4;
const rounds = 8;

/** The model of one kind: what an op makes of a state, and the answer that it must have. */
const kind = <State>(
  initial: State,
  apply: (state: State, op: Op) => { state: State; answer: Answer } | undefined,
): Check => ({
  initial,
  next: (state, op, answer) => {
    const done = apply(state as State, op);
    return done && sameFields(done.answer, answer) ? done.state : undefined;
  },
});

const sameFields = (wanted: Answer, given: Answer): boolean =>
  Object.entries(wanted).every(([field, value]) => JSON.stringify(given[field]) === JSON.stringify(value));
const refused = (code: string) => ({ refused: code });

interface Entries {
  version: number;
  entries: Record<string, { value: number; version: number }>;
}

interface Kind {
  readonly tool: string;
  /** Undefined: what it does is no matter of one call after another. */
  readonly model: Check | undefined;
  /** What a caller does, one after another; `n` counts its own. */
  readonly ops: (random: Random, n: number, by: number) => Args[];
}

const kinds: readonly Kind[] = [
  {
    tool: "atomic",
    model: kind(0, (state, { op, delta, expected, value }) => {
      if (op === "get") return { state, answer: { value: state } };
      if (op === "add") return { state: state + (delta as number), answer: { previous: state } };
      const ok = state === expected;
      return { state: ok ? (value as number) : state, answer: { ok } };
    }),
    ops: (random) => [
      random.weighted<"get" | "add" | "cas">({ get: 2, add: 3, cas: 2 }) === "get"
        ? { op: "get" }
        : random.chance(0.6)
          ? { op: "add", delta: random.int(1, 3) }
          : { op: "compare_and_set", expected: random.int(0, 6), value: random.int(0, 6) },
    ],
  },
  {
    tool: "shared_map",
    model: kind<Entries>({ version: 0, entries: {} }, ({ version, entries }, { op, key, value, if_version }) => {
      const name = key as string;
      const before = entries[name] ?? { value: null, version: 0 };
      if (op === "get") return { state: { version, entries }, answer: before };
      if (if_version !== undefined && if_version !== before.version)
        return { state: { version, entries }, answer: refused("version_mismatch") };
      const entry = { value: op === "set" ? (value as number) : (before.value ?? 0) + 1, version: version + 1 };
      return {
        state: { version: version + 1, entries: { ...entries, [name]: entry } },
        answer: op === "set" ? { version: entry.version } : { value: entry.value },
      };
    }),
    ops: (random) => {
      const key = random.chance(0.5) ? "a" : "b";
      if (random.chance(0.3)) return [{ op: "get", key }];
      if (random.chance(0.4)) return [{ op: "increment", key, delta: 1 }];
      return [{ op: "set", key, value: random.int(0, 9), ...(random.chance(0.5) && { if_version: random.int(0, 8) }) }];
    },
  },
  {
    tool: "shared_list",
    model: kind<string[]>([], (state, { op, items, index }) => {
      if (op === "size") return { state, answer: { size: state.length } };
      if (op === "get") return { state, answer: { value: state[index as number] ?? null } };
      return { state: [...state, ...(items as string[])], answer: { index: state.length } };
    }),
    ops: (random, n, by) =>
      random.chance(0.5)
        ? [{ op: "append", items: [`${by}-${n}`, `${by}-${n}+`] }]
        : [random.chance(0.5) ? { op: "size" } : { op: "get", index: random.int(0, 12) }],
  },
  {
    tool: "shared_memory",
    model: kind<{ text: string; version: number }>(
      { text: "", version: 0 },
      ({ text, version }, { op, if_version, ...more }) => {
        if (op === "read") return { state: { text, version }, answer: { text, version } };
        if (if_version !== undefined && if_version !== version)
          return { state: { text, version }, answer: refused("version_mismatch") };
        const after = op === "append" ? text + (more.text as string) : (more.text as string);
        return { state: { text: after, version: version + 1 }, answer: { version: version + 1 } };
      },
    ),
    ops: (random, n, by) => {
      if (random.chance(0.4)) return [{ op: "read" }];
      if (random.chance(0.6)) return [{ op: "append", text: `${by}${n};` }];
      return [{ op: "write", text: `${by}:`, if_version: random.int(0, 10) }];
    },
  },
  {
    tool: "lock",
    model: kind<{ holder: number; token: number }>({ holder: -1, token: 0 }, ({ holder, token }, { op, by }) => {
      if (op === "release")
        return holder === by
          ? { state: { holder: -1, token }, answer: { released: true } }
          : { state: { holder, token }, answer: refused("not_holder") };
      if (op === "try_acquire" && holder >= 0) return { state: { holder, token }, answer: { acquired: false } };
      if (holder >= 0) return undefined;
      return { state: { holder: by, token: token + 1 }, answer: { token: token + 1 } };
    }),
    // Whether a try got it or not, the release answers accordingly.
    ops: (random) => [{ op: random.chance(0.7) ? "acquire" : "try_acquire" }, { op: "release" }],
  },
  {
    tool: "semaphore",
    model: kind<Record<string, number>>({}, (held, { op, permits, by }) => {
      const own = held[by] ?? 0;
      const asked = permits as number;
      if (op === "create") return { state: held, answer: { permits: 3 } };
      if (op === "release") return { state: { ...held, [by]: own - asked }, answer: { released: asked } };
      const used = Object.values(held).reduce((sum, one) => sum + one, 0);
      return used + asked > 3 ? undefined : { state: { ...held, [by]: own + asked }, answer: { permits: asked } };
    }),
    ops: (random, n) => {
      const permits = random.int(1, 3);
      const pair = [
        { op: "acquire", permits },
        { op: "release", permits },
      ];
      return n === 0 ? [{ op: "create", permits: 3 }, ...pair] : pair;
    },
  },
  {
    tool: "message_queue",
    model: kind<string[]>([], (state, { op, messages, max }) => {
      if (op === "size") return { state, answer: { size: state.length } };
      if (op === "push") {
        const after = [...state, ...(messages as string[])];
        return after.length > 3 ? undefined : { state: after, answer: { pushed: true } };
      }
      if (op === "create") return { state, answer: { capacity: 3 } };
      const taken = state.slice(0, max as number);
      return taken.length === 0 ? undefined : { state: state.slice(taken.length), answer: { messages: taken } };
    }),
    // Two push what two others pop, so that nobody is left waiting.
    ops: (random, n, by) => {
      const own = by < 2 ? { op: "push", messages: [`${by}-${n}`] } : { op: "pop", max: 1 };
      const look = random.chance(0.3) ? [{ op: "size" }] : [];
      return n === 0 ? [{ op: "create", capacity: 3 }, own, ...look] : [own, ...look];
    },
  },
  {
    tool: "barrier",
    model: undefined,
    ops: () => [{ op: "wait", parties: callers }],
  },
  {
    tool: "future",
    model: kind<string | null>(null, (state, { op, value }) => {
      if (op === "peek")
        return { state, answer: state === null ? { state: "pending" } : { state: "resolved", value: state } };
      if (op === "await") return state === null ? undefined : { state, answer: { value: state } };
      return state === null
        ? { state: value as string, answer: { resolved: true } }
        : { state, answer: refused("already_settled") };
    }),
    ops: (random, n, by) => [
      random.chance(0.4)
        ? { op: "peek" }
        : by === 0 || random.chance(0.3)
          ? { op: "resolve", value: `${by}-${n}` }
          : { op: "await" },
    ],
  },
];

/** At a barrier nobody comes before another: all of a generation pass at one moment, which lies in each one's call. */
function checkGenerations(history: readonly Call<Op, Answer>[]): void {
  const generations = Map.groupBy(history, ({ answer }) => answer.generation as number);
  expect([...generations.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: rounds }, (_, n) => n));
  for (const calls of generations.values()) {
    expect(calls.map(({ answer }) => answer.index as number).sort()).toEqual(
      Array.from({ length: callers }, (_, n) => n),
    );
    expect(Math.max(...calls.map(({ from }) => from))).toBeLessThan(Math.min(...calls.map(({ to }) => to)));
  }
}

test("histories of concurrent callers, with the server killed in the middle, are as if one call came after another", async () => {
  const { heddle } = server;
  const { id } = await heddle.createRun({});
  // A session is one flow of control: each caller of each kind has its own.
  const open = () => Promise.all(Array.from({ length: callers }, () => heddle.openActor(id, { ttl_ms: 600_000 })));
  const actors = await Promise.all(kinds.map(open));
  const histories = new Map<string, Call<Op, Answer>[]>(kinds.map(({ tool }) => [tool, []]));
  let calls = 0;
  const waits = new Set(["acquire", "push", "pop", "await", "wait"]);

  /** One call to its end, through long polls and restarts. */
  const make = async ({ tool }: Kind, by: number, actor: string, args: Args) => {
    const call_id = `c${++calls}`;
    // A session only where the op may hold or wait: its named answers are kept, and reads need none.
    const isHeld = ["lock", "semaphore"].includes(tool) || waits.has(args.op);
    const body = {
      arguments: { ...args, name: tool },
      wait_ms: 5000,
      ...(isHeld && { actor, call_id }),
    };
    const from = performance.now();
    for (let tries = 0; tries < 30; tries++) {
      const outcome = await heddle.callTool(id, tool, body);
      if ("pending" in outcome) continue;
      const answer = "error" in outcome ? refused(outcome.error.code) : (outcome.result as Answer);
      histories.get(tool)!.push({ op: { ...args, by }, answer, from, to: performance.now() });
      return;
    }
    throw new Error(`${tool} ${args.op} never ended`);
  };

  const work = kinds.flatMap((one, k) =>
    actors[k]!.map(async (actor, by) => {
      const random = new Random(100 * k + by + 1);
      for (let n = 0; n < rounds; n++) for (const args of one.ops(random, n, by)) await make(one, by, actor.id, args);
    }),
  );
  const restart = async () => {
    const total = () => [...histories.values()].reduce((sum, history) => sum + history.length, 0);
    for (let tries = 0; tries < 600 && total() < 80; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
    await server.kill();
    await server.start();
    return total();
  };
  const [before] = await Promise.all([restart(), ...work]);
  expect(before).toBeGreaterThanOrEqual(80);
  for (const { tool, model } of kinds) {
    const history = histories.get(tool)!;
    expect(history.length, tool).toBeGreaterThanOrEqual(rounds * callers);
    if (!model) {
      checkGenerations(history);
      continue;
    }
    const order = linearize(history, model);
    expect(order, `${tool}: ${order ? "" : JSON.stringify(history)}`).toBeDefined();
  }
});
