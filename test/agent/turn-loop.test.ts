/** A hosted attempt that goes on where another one ended, against a model and a scheduler that answer as the test says. */

import { describe, expect, it, test } from "vitest";
import type { ModelRequest } from "../../src/agent/models/port.ts";
import { anthropicBody } from "../../src/agent/models/request-body.ts";
import { SnapshotCache } from "../../src/agent/snapshot-cache.ts";
import { runAttempt, type TurnLoopPorts } from "../../src/agent/turn-loop.ts";
import { forkByCall } from "../../src/context/fork.ts";
import { checkMessages } from "../../src/context/message-rules.ts";
import { promptOf } from "../../src/local/simulated/prompt.ts";
import { PromptCache } from "../../src/local/simulated/prompt-cache.ts";
import type { SeatTurn, SeatWork } from "../../src/objects/seat-rpc.ts";
import { seatWork } from "./lib/seat-work.ts";

const schema = JSON.stringify({ type: "object", properties: { n: { type: "number" } }, required: ["n"] });
const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
const user = (text: string) => JSON.stringify({ role: "user", content: text });
const says = (text: string) => JSON.stringify({ role: "assistant", content: text });

/** One that another seat began: its fork and its first reply are in the log. */
const resumed = (reply: string, more: Partial<SeatWork> = {}) =>
  seatWork([user("do"), says(reply)], { maxTurns: 5, outputSchema: schema, ...more });

/** Carries the attempt on by a model that answers `{"n": 4}`: the request that it got, and the turn that was logged. */
async function carryOn(work: SeatWork): Promise<{ request: ModelRequest; turn: SeatTurn }> {
  let request: ModelRequest | undefined;
  let turn: SeatTurn | undefined;
  const scheduler = {
    seatTurn: async (_lease: unknown, logged: SeatTurn) => {
      turn = logged;
      return { kind: "over" as const };
    },
  };
  await runAttempt(work, {
    scheduler: () => scheduler as unknown as ReturnType<TurnLoopPorts["scheduler"]>,
    run: "r",
    cache: new SnapshotCache(),
    callModel: async (asked) => {
      request = asked;
      const text = '{"n": 4}';
      return { ok: true, reply: { message: says(text), text, calls: [], usage, stop: "end" } };
    },
    providerFor: async () => ({ name: "simulated", baseUrl: "", apiKey: "", defaultModel: "m" }),
    next: () => undefined,
    isOver: () => false,
    lastsUntil: 4e12,
  });
  return { request: request!, turn: turn! };
}

test("a model call knows when its seat is gone", async () => {
  expect((await carryOn(resumed("four"))).request.until).toBe(4e12);
});

test.each([
  ["max_tokens", '{"max_completion_tokens":null,"max_tokens":20000}'],
  ["max_output_tokens", '{"max_output_tokens":20000}'],
])("an output limit above the default holds by the name %s too", async (_, params) => {
  const { request } = await carryOn(resumed("four", { head: { format: "openai", params } }));
  expect(request.maxOutputTokens).toBe(20_000);
});

describe("a reply that did not match the schema", () => {
  it("is answered by the attempt that goes on, where the one that had it ended before the next turn", async () => {
    const { request, turn } = await carryOn(resumed("four"));
    const repair = request.messages.at(-1)!;
    expect(JSON.parse(repair)).toMatchObject({ role: "user", content: expect.stringContaining("was not accepted") });
    expect(request.messages.slice(0, -1)).toEqual([user("do"), says("four")]);
    expect(turn.messages).toEqual([repair, says('{"n": 4}')]);
    expect(turn.ending).toEqual({ kind: "result", result: { n: 4 } });
  });

  it("comes before messages to the task", async () => {
    const { turn } = await carryOn(resumed("four", { messages: [user("be quick")] }));
    expect(turn.messages[0]).toContain("was not accepted");
    expect(turn.messages[1]).toBe(user("be quick"));
    expect(turn.shown).toBe(1);
  });
});

it("a final answer that a message crossed is no fault", async () => {
  const { turn } = await carryOn(resumed('{"n": 3}', { messages: [user("and now four")] }));
  expect(turn.messages).toEqual([user("and now four"), says('{"n": 4}')]);
});

it.each(["constructor", "__proto__"])("a call whose id is %s is carried out, and its answer is its own", async (id) => {
  const call = { type: "tool_use", id, name: "atomic", input: { op: "add", name: "n", delta: 1 } };
  const asked: string[][] = [];
  let request: ModelRequest | undefined;
  const scheduler = {
    seatCalls: async (_lease: unknown, calls: readonly { id: string }[]) => {
      asked.push(calls.map((one) => one.id));
      const answers = Object.fromEntries([[id, { text: '{"value":1}', isError: false }]]);
      return { kind: "go_on" as const, answers, messages: [] };
    },
    seatTurn: async () => ({ kind: "over" as const }),
  };
  await runAttempt(
    resumed("", {
      steps: [{ hash: "s", messages: [user("do"), JSON.stringify({ role: "assistant", content: [call] })] }],
    }),
    {
      scheduler: () => scheduler as unknown as ReturnType<TurnLoopPorts["scheduler"]>,
      ...{ run: "r", cache: new SnapshotCache(), next: () => undefined, isOver: () => false },
      callModel: async (sent) => {
        request = sent;
        return { ok: true, reply: { message: says('{"n": 4}'), text: '{"n": 4}', calls: [], usage, stop: "end" } };
      },
      providerFor: async () => ({ name: "simulated", baseUrl: "", apiKey: "", defaultModel: "m" }),
    },
  );
  expect(asked).toEqual([[id]]);
  expect(JSON.parse(request!.messages.at(-1)!)).toMatchObject({
    content: [{ tool_use_id: id, content: '{"value":1}' }],
  });
});

it("what a system prompt and tools take is estimated from above in every script, as messages are", async () => {
  const asks = async (head: { system: string; tools?: string }) => {
    let asked = 0;
    const work = resumed("four", { reserves: true, head: { format: "anthropic", tools: "[]", ...head } });
    const scheduler = {
      reserve: async (_lease: unknown, { inputTokens }: { inputTokens: number }) => {
        asked = inputTokens;
        return { kind: "parked" as const };
      },
      leaveSeat: async () => ({ kind: "over" as const }),
    };
    await runAttempt(work, {
      scheduler: () => scheduler as unknown as ReturnType<TurnLoopPorts["scheduler"]>,
      ...{ run: "r", cache: new SnapshotCache(), next: () => undefined, isOver: () => false },
      callModel: async () => expect.fail("nothing was reserved"),
      providerFor: async () => ({ name: "simulated", baseUrl: "", apiKey: "", defaultModel: "m" }),
    });
    return asked;
  };
  const least = await asks({ system: "" });
  // A vendor counts about a token for each of these.
  expect((await asks({ system: "語".repeat(1000) })) - least).toBeGreaterThanOrEqual(1000);
  expect((await asks({ system: "", tools: `["${"語".repeat(1000)}"]` })) - least).toBeGreaterThanOrEqual(1000);
});

/** What an attempt of two turns does where a budget was there with its lease (`work`), or as the answers to its calls and turns say. */
async function reserving({ work, calls, turn }: { work?: boolean; calls?: boolean; turn?: boolean }) {
  const done: string[] = [];
  const goesOn = (reserves: boolean | undefined, answers: object = {}) => ({
    ...{ kind: "go_on" as const, snapshot: `t${done.length}`, answers, messages: [], watched: false, paused: false },
    ...(reserves !== undefined && { reserves }),
  });
  const scheduler = {
    seatCalls: async () => goesOn(calls, { c: { text: "1", isError: false } }),
    seatTurn: async () => {
      done.push("turn");
      return goesOn(turn);
    },
    reserve: async () => {
      done.push("reserve");
      return { kind: "reserved" as const, outputTokens: 10 };
    },
    leaveSeat: async () => ({ kind: "over" as const }),
  };
  const call = { type: "tool_use", id: "c", name: "atomic", input: { op: "add", name: "n", delta: 1 } };
  const messages = [user("do"), JSON.stringify({ role: "assistant", content: [call] })];
  await runAttempt(resumed("", { maxTurns: 3, turns: 1, reserves: work === true, steps: [{ hash: "s", messages }] }), {
    scheduler: () => scheduler as unknown as ReturnType<TurnLoopPorts["scheduler"]>,
    ...{ run: "r", cache: new SnapshotCache(), next: () => undefined, isOver: () => false },
    callModel: async () => {
      done.push("call");
      return { ok: true, reply: { message: says("not yet"), text: "not yet", calls: [], usage, stop: "end" } };
    },
    providerFor: async () => ({ name: "simulated", baseUrl: "", apiKey: "", defaultModel: "m" }),
  });
  return done.join(" ");
}

test("a budget that is set, or taken away, while a task has its seat holds from its next call on", async () => {
  expect(await reserving({})).toBe("call turn call turn");
  expect(await reserving({ turn: true })).toBe("call turn reserve call turn");
  expect(await reserving({ calls: true })).toBe("reserve call turn reserve call turn");
  expect(await reserving({ work: true, calls: false })).toBe("call turn call turn");
  expect(await reserving({ work: true, turn: false })).toBe("reserve call turn call turn");
  // An object of a version before says nothing of it.
  expect(await reserving({ work: true })).toBe("reserve call turn reserve call turn");
});

test.each([
  [
    "calls",
    { calls: Array.from({ length: 1001 }, (_, i) => ({ id: `c${i}`, name: "x", arguments: "{}" })) },
    /1001 tool calls/,
  ],
  ["bytes", { message: says("x".repeat(15 * 1024 * 1024)) }, /bytes/],
])(
  "a reply of too many %s ends the attempt, and its tokens count: it is not asked for again",
  async (_, more, message) => {
    const left: unknown[] = [];
    const scheduler = {
      leaveSeat: async (_lease: unknown, leave: unknown) => {
        left.push(leave);
        return { kind: "over" as const };
      },
    };
    await runAttempt(resumed("x", { outputSchema: undefined }), {
      scheduler: () => scheduler as unknown as ReturnType<TurnLoopPorts["scheduler"]>,
      run: "r",
      cache: new SnapshotCache(),
      callModel: async () => ({
        ok: true,
        reply: { message: says("x"), text: "", calls: [], usage, stop: "calls", ...more },
      }),
      providerFor: async () => ({ name: "anthropic", baseUrl: "", apiKey: "", defaultModel: "m" }),
      next: () => undefined,
      isOver: () => false,
    });
    const error = { code: "context_too_long", message: expect.stringMatching(message) };
    expect(left).toEqual([{ kind: "too_long", error, usage, model: { model: "m" } }]);
  },
);

describe("a reply of more blocks than the vendor looks back from a mark", () => {
  const ids = Array.from({ length: 15 }, (_, i) => `call_${i}`);
  const calls = ids.map((id) => ({ type: "tool_use", id, name: "read", input: {} }));
  const asks = JSON.stringify({ role: "assistant", content: calls });
  const head = { format: "anthropic", tools: "[]" } as const;
  const first = user("abcd".repeat(2000));

  /** The requests of an attempt whose model calls fifteen tools at once, and then is done. */
  async function requestsOf(work: SeatWork): Promise<ModelRequest[]> {
    const requests: ModelRequest[] = [];
    const scheduler = {
      seatTurn: async (_lease: unknown, { ending }: SeatTurn) =>
        ending ? { kind: "over" as const } : { kind: "go_on" as const, snapshot: "n", answers: {}, messages: [] },
    };
    await runAttempt(work, {
      scheduler: () => scheduler as unknown as ReturnType<TurnLoopPorts["scheduler"]>,
      ...{ run: "r", cache: new SnapshotCache(), next: () => undefined, isOver: () => false },
      callModel: async (request) => {
        requests.push(request);
        if (requests.length > 1)
          return { ok: true, reply: { message: says("ok"), text: "ok", calls: [], usage, stop: "end" } };
        const called = ids.map((id) => ({ id, name: "read", arguments: "{}" }));
        return { ok: true, reply: { message: asks, text: "", calls: called, usage, stop: "calls" } };
      },
      providerFor: async () => ({ name: "simulated", baseUrl: "", apiKey: "", defaultModel: "m" }),
    });
    return requests;
  }

  it("costs neither the task nor those that fork it what was cached before", async () => {
    const cache = new PromptCache();
    const ask = (request: ModelRequest) => {
      const body = JSON.parse(anthropicBody(request).text) as { messages: unknown[] };
      expect(checkMessages("anthropic", body.messages)).toEqual([]);
      const { usage: used, begin } = cache.measure("anthropic", promptOf("anthropic", body), "m");
      begin();
      return used;
    };
    const own = { head, outputSchema: undefined, turns: 0, steps: [], fork: [first] };
    const [one, two] = await requestsOf(resumed("", own));
    const { written } = ask(one!);
    expect(written).toBe(2000);
    expect(ask(two!).read).toBe(written);

    const { messages, mark } = forkByCall("anthropic", asks, "call_3", "do it");
    const base = [{ hash: "s", messages: [user("abce".repeat(2000)), asks] }];
    const [parents] = await requestsOf(resumed("", { ...own, fork: base[0]!.messages.slice(0, 1) }));
    ask(parents!);
    const at = { message: 2 + mark.message, block: mark.block };
    const [forks] = await requestsOf(resumed("", { ...own, steps: base, baseCount: 2, fork: messages, mark: at }));
    expect(ask(forks!).read).toBe(2000);
  });
});
