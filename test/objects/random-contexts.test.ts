/**
 * Random plans on random conversations: tasks that fork and forks of these, on several models, told of things, retried, cut, and killed
 * while their model replies. The turn loop makes their requests, and each is held against what a request has to be.
 *
 * 1. It keeps the vendor's rules, cache marks included.
 * 2. It begins with what the task's last logged turn was asked and said; a full fork's first one with what its creator's was.
 * 3. It has no reasoning of another model; a fork on another model than its creator's is the same but for that.
 * 4. It shows each message to the task once, and goes on showing it.
 * 5. Between the parts of a reply that the vendor paused there is nothing.
 */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ModelOutcome, ModelRequest } from "../../src/agent/models/port.ts";
import { anthropicBody, openaiBody } from "../../src/agent/models/request-body.ts";
import { SnapshotCache } from "../../src/agent/snapshot-cache.ts";
import { runAttempt, type TurnLoopPorts } from "../../src/agent/turn-loop.ts";
import { isPaused, noText, roleOf } from "../../src/context/calls.ts";
import { checkMessages } from "../../src/context/message-rules.ts";
import { stripReasoning } from "../../src/context/reasoning.ts";
import type { Format, MessageText, ToolCall } from "../../src/context/types.ts";
import type { TaskSpec } from "../../src/contract/task-spec.ts";
import type { SeatJob, SeatWork } from "../../src/objects/seat-rpc.ts";
import { transcripts } from "../context/transcripts.ts";
import { Random } from "../sim/random.ts";
import { makeRun, TestClock, type TestRun } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const models = ["m0", "m1", "m2"];
/** Of who was cut: what of its context was whose is known no more. */
const unknownModel = "";
const words = ["plain", 'a "quoted" \\ one', "é😀\u2028", '{"cache_control": 1}', "two\nlines"];
const usage = { input_tokens: 10, output_tokens: 5, cache_read_tokens: 0, cache_write_tokens: 0 };
const tasksMax = 12;
const leaseOverMs = 31_000;

/** What is known of a task beside the run: how it forks, and what of it is in the log. */
interface Known {
  readonly model: string;
  readonly creatorsModel: string;
  /** What a full fork's first request begins with. */
  prefix: readonly MessageText[] | undefined;
  logged: readonly MessageText[];
  told: string[];
  /** Its context was cut, or begun anew: nothing is known of what it begins with. */
  isCut: boolean;
}

const isBeginning = (of: readonly MessageText[], messages: readonly MessageText[]) =>
  expect(messages.slice(0, of.length)).toEqual(of);

class World {
  readonly #random: Random;
  readonly #format: Format;
  readonly #run: TestRun;
  readonly #clock: TestClock;
  readonly #cache = new SnapshotCache();
  readonly #known = new Map<string, Known>();
  #made = 0;
  requests = 0;

  constructor(seed: number, format: Format, run: TestRun, clock: TestClock) {
    this.#random = new Random(seed);
    this.#format = format;
    this.#run = run;
    this.#clock = clock;
  }

  spec(prefix: readonly MessageText[], creatorsModel: string): TaskSpec {
    const random = this.#random;
    const key = `k${this.#made++}`;
    const model = random.chance(0.4) ? random.pick(models)! : undefined;
    const fork = random.pick<TaskSpec["fork"]>(["full", "full", "full", "none", "auto", { last: 1 }, { last: 2 }])!;
    const whole = fork === "full" ? prefix : undefined;
    const known = { model: model ?? "m0", creatorsModel, prefix: whole, logged: [], told: [], isCut: false };
    this.#known.set(key, known);
    return {
      ...{ key, fork, instructions: `do ${random.pick(words)!}`, max_turns: 8, retries: { limit: 9, backoff_ms: 1 } },
      ...(model && { model }),
      ...(random.chance(0.2) && { context: random.pick(words)! }),
      ...(random.chance(0.5) && { on_context_too_long: { last: 1 + random.int(0, 2) } }),
      ...(random.chance(0.2) && { output_schema: { type: "object" } }),
    } as TaskSpec;
  }

  async play(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      if (this.#random.chance(0.1)) await this.#run.evict();
      await this.#tell();
      const have = this.#random.chance(0.8) ? this.#cache.have(this.#run.id) : [];
      const nonce = `n${step}`;
      const job = await this.#run.rpc.openSeat(this.#run.ticket(nonce), { nonce, have });
      if (job) await this.#attempt(job as SeatWork);
      else await this.#retry();
      this.#clock.forward(2000);
      await this.#run.ring();
    }
  }

  async #tell(): Promise<void> {
    const live = (await this.#run.tasks()).filter(({ state }) => ["waiting", "ready", "parked"].includes(state));
    if (live.length === 0 || !this.#random.chance(0.3)) return;
    const { id, key } = this.#random.pick(live)!;
    const text = `message ${this.#made++}!`;
    const sent = await this.#run.rpc.sendMessage(id, JSON.stringify(text));
    if (sent.ok) this.#known.get(key!)!.told.push(text);
  }

  async #retry(): Promise<void> {
    const ended = (await this.#run.tasks()).filter(({ state }) => state === "succeeded" || state === "failed");
    if (ended.length === 0) return;
    const { id, turns } = this.#random.pick(ended)!;
    await this.#run.rpc.retryTask(id, this.#random.int(0, turns));
    // Of it and of what goes on with it, only what is sent from now on is known.
    for (const known of this.#known.values()) Object.assign(known, { isCut: true, logged: [], told: [] });
  }

  async #attempt(work: SeatWork): Promise<void> {
    const { key } = await this.#run.task(work.taskId);
    const known = this.#known.get(key!)!;
    let said: readonly MessageText[] | undefined;
    const scheduler = new Proxy(this.#run.rpc, {
      get:
        (rpc, name: keyof TestRun["rpc"]) =>
        async (...args: unknown[]) => {
          const answer = await (rpc[name] as (...args: unknown[]) => Promise<unknown>)(...args);
          if (name === "seatTurn") known.logged = said!;
          if (name === "leaveSeat" && (args[1] as { kind: string }).kind === "too_long")
            Object.assign(known, { isCut: true, logged: [] });
          return answer as SeatJob;
        },
    });
    const lasts = this.#random.int(0, 5);
    let turn = 0;
    const ports: TurnLoopPorts = {
      scheduler: () => scheduler,
      ...{ run: this.#run.id, cache: this.#cache, next: () => undefined, isOver: () => this.#random.chance(0.3) },
      callModel: async (request) => {
        this.#check(request, known);
        if (turn++ < lasts) {
          const reply = this.#reply(request, known);
          said = [...request.messages, reply.reply.message];
          return reply;
        }
        if (this.#random.chance(0.4)) throw new Error("killed");
        const code = this.#random.chance(0.5) ? "context_too_long" : "provider_overloaded";
        return { ok: false, fault: { code, message: "no" } };
      },
      providerFor: async () => ({ name: this.#format, baseUrl: "", apiKey: "", defaultModel: "m0" }),
    };
    await runAttempt(work, ports).catch((error: Error) => {
      if (error.message !== "killed") throw error;
      this.#clock.forward(leaseOverMs);
    });
  }

  #check(request: ModelRequest, known: Known): void {
    const { messages, model } = request;
    this.requests++;
    expect(model).toBe(known.model);
    const body = this.#format === "anthropic" ? anthropicBody(request).text : openaiBody(request);
    expect(checkMessages(this.#format, (JSON.parse(body) as { messages: unknown[] }).messages)).toEqual([]);
    const whole = messages.join("\n");
    for (const other of models) if (other !== model) expect(whole).not.toContain(`"by ${other}"`);
    const times = known.told.map((text) => whole.split(`"${text}"`).length - 1);
    const goesOn = messages.filter((_, i) => i > 0 && isPaused(this.#format, messages[i - 1]!)).map(roleOf);
    expect(goesOn.filter((role) => role !== "assistant")).toEqual([]);
    const mayMiss = known.isCut || isPaused(this.#format, messages.at(-1)!);
    expect(times.filter((n) => n !== 1 && !(mayMiss && n === 0))).toEqual([]);
    isBeginning(known.logged, messages);
    if (known.logged.length > 0 || known.isCut || !known.prefix) return;
    const bare = (all: readonly MessageText[]) => all.map((one) => stripReasoning(this.#format, one));
    if (model === known.creatorsModel) isBeginning(known.prefix, messages);
    else isBeginning(bare(known.prefix), bare(messages));
  }

  #reply(request: ModelRequest, { isCut }: Known): Extract<ModelOutcome, { ok: true }> {
    const random = this.#random;
    if (this.#format === "anthropic" && random.chance(0.2)) return this.#unsaid(request);
    const made: Known[] = [];
    const call = (name: string, args: object): ToolCall => ({
      ...{ id: `c_${this.#made++}`, name, arguments: JSON.stringify(args) },
    });
    const creates = () => {
      const tasks = Array.from({ length: 1 + random.int(0, 1) }, () =>
        this.spec([], isCut ? unknownModel : request.model),
      );
      for (const { key } of tasks) made.push(this.#known.get(key!)!);
      return call("create_task", { tasks });
    };
    const calls = Array.from({ length: random.chance(0.6) ? 1 + random.int(0, 3) : 0 }, () =>
      random.pick([
        () => (this.#known.size < tasksMax ? creates() : call("inspect", {})),
        () => call("read", { n: 1 }),
        () => call("atomic", { op: "add", name: "n", delta: 1 }),
        () => call("finish", random.chance(0.5) ? { result: { a: 1 } } : {}),
      ])!(),
    );
    const text = random.chance(0.3) ? '{"a":1}' : random.pick(words)!;
    const message = this.#message(`by ${request.model}`, text, calls);
    for (const one of made) if (one.prefix) one.prefix = [...request.messages, message];
    const stop = calls.length > 0 ? "calls" : "end";
    return { ok: true, reply: { message, text, calls, usage, stop } };
  }

  /** A reply that the vendor pauses, or one without a word. */
  #unsaid({ model }: ModelRequest): Extract<ModelOutcome, { ok: true }> {
    const stop = this.#random.chance(0.6) ? "paused" : "end";
    const thinking = { type: "thinking", thinking: `by ${model}`, signature: "c2ln" };
    const search = { type: "server_tool_use", id: `s_${this.#made++}`, name: "web_search", input: {} };
    const last = stop === "paused" ? search : { type: "text", text: noText };
    const message = JSON.stringify({ role: "assistant", content: [thinking, last] });
    return { ok: true, reply: { message, text: "", calls: [], usage, stop } };
  }

  #message(thought: string, text: string, calls: readonly ToolCall[]): MessageText {
    const role = "assistant";
    if (this.#format === "openai") {
      const tool_calls = calls.map(({ id, ...called }) => ({ id, type: "function", function: called }));
      return JSON.stringify({
        ...{ role, content: text, reasoning_content: thought },
        ...(calls.length > 0 && { tool_calls }),
      });
    }
    const uses = calls.map(({ id, name, arguments: args }) => ({
      ...{ type: "tool_use", id, name, input: JSON.parse(args) as unknown },
    }));
    const thinking = { type: "thinking", thinking: thought, signature: "c2ln" };
    return JSON.stringify({ role, content: [thinking, { type: "text", text }, ...uses] }, null, 1);
  }
}

describe.each(["anthropic", "openai"] as const)("in the %s format", (format) => {
  it.each([1, 2, 4, 5])("seed %i: each request is what it has to be", async (seed) => {
    using clock = new TestClock();
    const given = transcripts(fc.constant("answered")).filter((one) => one.format === format);
    const { messages } = fc.sample(given, { seed, numRuns: 1 })[0]!;
    const run = await makeRun({ context: { format, model: "m0", messages } });
    const world = new World(seed, format, run, clock);
    await run.create(world.spec(messages, "m0"), world.spec(messages, "m0"));
    await world.play(20);
    expect(world.requests).toBeGreaterThan(5);
  });
});
