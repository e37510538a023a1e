/**
 * A case for every row of the table of faults (src/errors/faults.ts) that a real server can meet: its tasks call a provider that
 * fails, over HTTP, and what is seen from outside is what the row says. The other rows: test/objects/faults.test.ts.
 */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EventView, HeddleProblem, RunSpec, TaskSpec, TaskView } from "../../src/client/index.ts";
import { type FaultClass, ruleOf } from "../../src/errors/faults.ts";
import type { OnServer } from "../errors/places.ts";
import { Endpoint } from "./lib/endpoint.ts";
import {
  type Act,
  broken,
  calling,
  FaultyProvider,
  type Format,
  reset,
  silence,
  status,
  stream,
  well,
  wire,
} from "./lib/faulty-provider.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import { LocalServer } from "./lib/server.ts";

/** Long enough that a busy machine alone does not make a provider silent. */
const idleMs = 1000;
const backoffMs = 10;

let provider: FaultyProvider;
let server: LocalServer;

beforeAll(async () => {
  provider = await FaultyProvider.start();
  server = await LocalServer.start({ ...provider.environment, HEDDLE_MODEL_IDLE_MS: String(idleMs) });
});
afterAll(async () => {
  await server?.stop();
  await provider?.stop();
});

let scripts = 0;
/** Instructions of a task whose model plays these acts, and what it was asked. */
function script(...acts: Act[]): { instructions: string; asked: () => readonly string[] } {
  const name = `script-${++scripts}`;
  return { instructions: provider.script(name, ...acts), asked: () => provider.requests(name) };
}

const runOf = (format: Format, more: RunSpec = {}): RunSpec => ({
  ...more,
  context: { format, messages: [{ role: "user", content: "the project" }] },
});

interface Story {
  run: string;
  byKey: Record<string, TaskView>;
  events: EventView[];
  /** Kinds. */
  findings: string[];
}

/** A run with these tasks, once none lives. */
async function told(spec: RunSpec, ...tasks: TaskSpec[]): Promise<Story> {
  const { id } = await server.heddle.createRun(spec);
  if (tasks.length > 0) await server.heddle.createTasks(id, { tasks });
  return settled(id);
}

async function settled(run: string): Promise<Story> {
  await server.heddle.waitFor(run, { mode: "settled" });
  const byKey: Record<string, TaskView> = {};
  for (const task of (await server.heddle.listTasks(run)).tasks) byKey[task.key ?? "?"] = task;
  const { findings } = await server.heddle.findings(run);
  return { run, byKey, events: await logOf(server, run), findings: findings.map(({ kind }) => kind) };
}

const retries = (limit: number) => ({ limit, backoff_ms: backoffMs });

/** The row's names in what was seen. */
function checkSeen(fault: FaultClass, { events, findings }: Story): void {
  const { event, finding, pauses } = ruleOf(fault);
  const seen = events.filter(({ type }) => type === event);
  expect(seen, `event ${event}`).not.toEqual([]);
  if (finding !== undefined) expect(findings).toContain(finding);
  if (pauses !== undefined) expect(seen).toMatchObject([{ reason: pauses }]);
}

interface Variant {
  act: Act;
  /** At least so long does the next attempt wait. */
  waitsMs?: number;
  format?: Format;
}

/**
 * A fault of a model call. Met once, it is retried or not as its row says; met always, the task ends as the row says. One that
 * depends on it is skipped with it as its cause, and one that asked for it is shown the error.
 */
async function inModelCall(fault: OnServer, { act, waitsMs = 0, format = "anthropic" }: Variant): Promise<void> {
  const { retry, ends } = ruleOf(fault);
  const isRetried = retry.kind === "attempt";
  const once = script(act, well(format));
  const always = script(act);
  const shown = script(well(format));
  const story = await told(
    runOf(format),
    { key: "once", instructions: once.instructions, retries: retries(1) },
    { key: "always", instructions: always.instructions, retries: retries(1) },
    { key: "skipped", instructions: "never", after: ["always"] },
    { key: "shown", instructions: shown.instructions, after: ["always"], on_dependency_failure: "run" },
  );
  const { byKey, events } = story;
  const attempts = isRetried ? 2 : 1;
  const error = { code: fault, message: expect.stringMatching(/./) };
  expect(byKey.once).toMatchObject(
    isRetried ? { state: "succeeded", result: "well", error: null } : { state: ends, error },
  );
  expect(byKey.once).toMatchObject({ attempts });
  expect(once.asked()).toHaveLength(attempts);
  expect(byKey.always).toMatchObject({ state: ends, error, attempts });
  expect(always.asked()).toHaveLength(attempts);
  for (const ended of eventsOf(events, "attempt_ended")) {
    expect(ended).toMatchObject({ why: "transient", error });
    expect(Number(ended.until) - ended.at).toBeGreaterThanOrEqual(Math.max(waitsMs, backoffMs / 2));
  }
  expect(eventsOf(events, "attempt_ended")).toHaveLength(isRetried ? 2 : 0);
  expect(byKey.skipped).toMatchObject({
    state: "skipped",
    error: { code: "dependency_failed", cause: { task: byKey.always!.id, error: { code: fault } } },
  });
  expect(byKey.shown).toMatchObject({ state: "succeeded" });
  expect(shown.asked()[0]).toContain(fault);
  // Where nothing was made shorter there is no event of it; below is a case where something is.
  if (retry.kind !== "shorten") checkSeen(fault, story);
}

/** A fault that the model itself is told of in its next turn. */
async function toldToModel(
  fault: OnServer,
  act: Act,
  format: Format = "anthropic",
  spec: RunSpec = {},
): Promise<Story> {
  const told1 = script(act, well(format));
  const story = await told(
    runOf(format, { ...spec, root: { key: "root", instructions: told1.instructions, retries: retries(0) } }),
  );
  expect(story.byKey.root).toMatchObject({ state: "succeeded", result: "well", turns: 2 });
  // It may have been parked for a while, but none of its attempts has failed.
  expect(eventsOf(story.events, "attempt_ended")).toEqual([]);
  expect(told1.asked()).toHaveLength(2);
  expect(told1.asked()[1]).toContain(ruleOf(fault).tool);
  checkSeen(fault, story);
  return story;
}

async function problemOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "none",
    (error: HeddleProblem) => error.code,
  );
}

/** A task of a pool, leased. */
async function leased(spec: Partial<TaskSpec> = {}) {
  const pool = `faults-${++scripts}`;
  const { id } = await server.heddle.createRun({ limits: { pools: [pool] } });
  await server.heddle.createTasks(id, { tasks: [{ key: "t", pool, instructions: "work", ...spec }] });
  const lease = async () => (await server.heddle.lease(pool, { worker: "w", wait_ms: 5000 }))[0]!;
  return { run: id, lease, first: await lease() };
}

const both = (make: (format: Format) => Act): Variant[] =>
  (["anthropic", "openai"] as const).map((format) => ({ format, act: make(format) }));

const limited = (headers: Record<string, string>): Act => status("anthropic", 429, "rate_limit_error", "slow", headers);
/** A date as HTTP has it, in whole seconds. */
const inSeconds = (s: number) => new Date(Math.ceil(Date.now() / 1000) * 1000 + s * 1000).toUTCString();

const tool = (url: string, limit = 0) => ({
  name: "look",
  description: "Looks.",
  input_schema: { type: "object" as const },
  url,
  retries: { limit },
});

const modelCalls = {
  provider_rate_limited: [
    { act: limited({ "retry-after": "1" }), waitsMs: 1000 },
    { act: (response) => limited({ "retry-after": inSeconds(1) })(response), waitsMs: 900 },
    { act: limited({ "retry-after-ms": "300", "retry-after": "60" }), waitsMs: 300 },
    { act: limited({}), waitsMs: 4 * 0.8 * backoffMs },
    { format: "openai", act: status("openai", 429, "rate_limit_exceeded"), waitsMs: 4 * 0.8 * backoffMs },
    { act: stream(wire.anthropic.error("rate_limit_error")) },
  ],
  provider_overloaded: [
    { act: status("anthropic", 529, "overloaded_error"), waitsMs: 4 * 0.8 * backoffMs },
    { act: stream(wire.anthropic.error("overloaded_error")) },
    { format: "openai", act: status("openai", 503, "server_error", "busy", { "retry-after": "1" }), waitsMs: 1000 },
  ],
  provider_unavailable: [
    ...both((format) => status(format, 500, format === "anthropic" ? "api_error" : "server_error")),
    { format: "openai", act: stream(wire.openai.error(502)) },
  ],
  provider_timeout: [
    { act: broken("stalled", wire.anthropic.half) },
    { format: "openai", act: silence },
    ...both((format) => status(format, 504, "timeout")),
  ],
  network: [
    ...both(() => reset),
    ...both((format) => broken("cut", wire[format].half)),
    ...both((format) => broken("ended", wire[format].half)),
    { act: calling("anthropic", "inspect", '{"task": ') },
  ],
  provider_quota: [
    {
      format: "openai",
      act: status("openai", 429, "insufficient_quota", "You exceeded your quota", { "retry-after": "1" }),
    },
    { act: status("anthropic", 400, "invalid_request_error", "Your credit balance is too low to access the API.") },
  ],
  provider_auth: [
    { act: status("anthropic", 401, "authentication_error", "bad key sk-faulty") },
    { format: "openai", act: status("openai", 403, "unsupported_country_region_territory") },
  ],
  provider_rejected: both((format) => status(format, 400, "invalid_request_error", "temperature: too hot")),
  context_too_long: [
    { act: status("anthropic", 400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum") },
    { format: "openai", act: status("openai", 400, "context_length_exceeded") },
  ],
  refusal: [
    { act: stream(wire.anthropic.text("No.", "refusal")) },
    { format: "openai", act: stream(wire.openai.refusal("No.")) },
    { format: "openai", act: stream(wire.openai.text("N", "content_filter")) },
  ],
  output_truncated: [
    { act: stream(wire.anthropic.text("to be c", "max_tokens")) },
    { format: "openai", act: stream(wire.openai.text("to be c", "length")) },
  ],
} as const satisfies { [Class in OnServer]?: readonly Variant[] };

type ModelCallFault = keyof typeof modelCalls;

const others: Record<Exclude<OnServer, ModelCallFault>, () => Promise<unknown>> = {
  malformed_call: async () => {
    await toldToModel("malformed_call", calling("openai", "create_task", '{"instructions": '), "openai");
    await toldToModel("malformed_call", calling("anthropic", "create_task", { instructions: 5 }));
  },
  unknown_tool: () => toldToModel("unknown_tool", calling("anthropic", "frobnicate", {})),
  output_invalid: async () => {
    const schema = { type: "object", properties: { n: { type: "number" } }, required: ["n"] };
    const { retry, tool: code } = ruleOf("output_invalid");
    const times = retry.kind === "turn" ? (retry.times ?? 0) : 0;
    const bad = well("anthropic", '{"n": "one"}');
    const mends = script(...Array.from({ length: times }, () => bad), well("anthropic", '{"n": 1}'));
    const stays = script(bad);
    const called = script(calling("anthropic", "finish", { result: { n: "one" } }), well("anthropic", '{"n": 1}'));
    const story = await told(
      runOf("anthropic"),
      { key: "mends", instructions: mends.instructions, output_schema: schema },
      { key: "stays", instructions: stays.instructions, output_schema: schema, retries: retries(2) },
      { key: "called", instructions: called.instructions, output_schema: schema },
    );
    expect(story.byKey.mends).toMatchObject({ state: "succeeded", result: { n: 1 }, turns: times + 1, attempts: 1 });
    expect(story.byKey.stays).toMatchObject({ state: "failed", error: { code: "output_invalid" }, attempts: 1 });
    expect(stays.asked()).toHaveLength(times + 1);
    expect(story.byKey.called).toMatchObject({ state: "succeeded", result: { n: 1 }, turns: 2 });
    expect(called.asked()[1]).toContain(code);
  },
  agent_failed: async () => {
    const gives = (retryable: boolean) =>
      calling("anthropic", "finish", { error: { code: "stuck", message: "I am" }, retryable });
    const story = await told(
      runOf("anthropic"),
      { key: "again", instructions: script(gives(true), well("anthropic")).instructions, retries: retries(1) },
      { key: "over", instructions: script(gives(false), well("anthropic")).instructions, retries: retries(1) },
    );
    expect(story.byKey.again).toMatchObject({ state: "succeeded", attempts: 2 });
    expect(story.byKey.over).toMatchObject({ state: "failed", attempts: 1, error: { code: "stuck", message: "I am" } });
    checkSeen("agent_failed", story);
  },

  timeout: async () => {
    const story = await told(runOf("anthropic"), {
      key: "t",
      instructions: script(silence).instructions,
      timeout_ms: idleMs / 2,
    });
    expect(story.byKey.t).toMatchObject({ state: "failed", error: { code: "timeout" }, attempts: 1 });
    checkSeen("timeout", story);
  },
  max_turns: async () => {
    const turns = script(calling("anthropic", "inspect", {}));
    const story = await told(runOf("anthropic"), { key: "t", instructions: turns.instructions, max_turns: 2 });
    expect(story.byKey.t).toMatchObject({ state: "failed", error: { code: "max_turns" }, attempts: 1, turns: 2 });
    checkSeen("max_turns", story);
  },
  max_tokens: async () => {
    const tokens = script(well("anthropic"));
    const story = await told(runOf("anthropic"), { key: "t", instructions: tokens.instructions, max_tokens: 10 });
    expect(story.byKey.t).toMatchObject({ state: "failed", error: { code: "max_tokens" }, attempts: 1 });
    expect(tokens.asked()).toEqual([]);
    checkSeen("max_tokens", story);
  },
  no_price: async () => {
    const run = await server.heddle.createRun(runOf("anthropic", { limits: { usd: 1 } }));
    const tasks = [{ instructions: "x", model: "nobody-knows" }];
    expect(await problemOf(server.heddle.createTasks(run.id, { tasks }))).toBe(ruleOf("no_price").problem);
  },
  budget_exhausted: async () => {
    const dear = script(well("anthropic"));
    const { id } = await server.heddle.createRun(runOf("anthropic", { limits: { tokens: 100 } }));
    await server.heddle.createTasks(id, { tasks: [{ key: "t", instructions: dear.instructions }] });
    await until("the run pauses", 10_000, async () => (await server.heddle.run(id)).status === "paused");
    expect(await server.heddle.task(id, "t")).toMatchObject({
      state: "parked",
      error: null,
      waiting_on: { budget: true, needs: { tokens: expect.any(Number), usd: null } },
    });
    expect(dear.asked()).toEqual([]);
    await server.call("POST", `/v1/runs/${id}/budget`, { tokens: 1_000_000 });
    const story = await settled(id);
    expect(story.byKey.t).toMatchObject({ state: "succeeded", result: "well" });
    checkSeen("budget_exhausted", story);
    // By a rule it fails there, and what depends on it goes on as after any failure.
    const { id: strict } = await server.heddle.createRun({
      ...runOf("anthropic"),
      rules: "- budget 100 tokens, then fail",
    });
    await server.heddle.createTasks(strict, {
      tasks: [
        { key: "t", instructions: dear.instructions },
        { key: "next", instructions: "x", after: ["t"] },
      ],
    });
    const { byKey } = await settled(strict);
    expect(byKey.t).toMatchObject({ state: "failed", error: { code: "budget_exhausted" } });
    expect(byKey.next).toMatchObject({ state: ruleOf("dependency_failed").ends });
  },
  reference_unresolved: async () => {
    const story = await told(
      runOf("anthropic"),
      { key: "a", instructions: script(well("anthropic")).instructions },
      { key: "b", instructions: "tell {{a.nothing.here}}", retries: retries(2) },
    );
    expect(story.byKey.b).toMatchObject({ state: "failed", error: { code: "reference_unresolved" } });
    checkSeen("reference_unresolved", story);
  },
  dependency_failed: async () => {
    const story = await told(
      runOf("anthropic"),
      { key: "a", instructions: script(stream(wire.anthropic.text("No.", "refusal"))).instructions },
      { key: "b", instructions: "never", after: ["a"] },
      { key: "c", instructions: "never", after: ["b"] },
    );
    const { a, b, c } = story.byKey;
    const refusal = { task: a!.id, error: { code: "refusal" } };
    expect(b).toMatchObject({ state: "skipped", error: { code: "dependency_failed", cause: refusal } });
    expect(c).toMatchObject({ state: "skipped", error: { cause: { task: b!.id, error: { cause: refusal } } } });
    checkSeen("dependency_failed", story);
  },
  parent_ended: async () => {
    const child = { key: "child", pool: "faults-nobody", instructions: "wait for a worker" };
    const parent = script(calling("anthropic", "create_task", child), stream(wire.anthropic.text("No.", "refusal")));
    const story = await told(runOf("anthropic", { limits: { pools: ["faults-nobody"] } }), {
      key: "parent",
      instructions: parent.instructions,
    });
    expect(story.byKey.parent).toMatchObject({ state: "failed", error: { code: "refusal" } });
    expect(story.byKey.child).toMatchObject({ state: ruleOf("parent_ended").ends, error: { code: "parent_ended" } });
    checkSeen("parent_ended", story);
  },
  group_failed: async () => {
    const story = await told(
      runOf("anthropic"),
      { key: "a", group: "g", instructions: script(stream(wire.anthropic.text("No.", "refusal"))).instructions },
      { key: "b", group: "g", pool: "faults-nobody", instructions: "wait for a worker" },
    );
    const { a, b } = story.byKey;
    const cause = { task: a!.id, error: { code: "refusal" } };
    expect(b).toMatchObject({ state: ruleOf("group_failed").ends, error: { code: "group_failed", cause } });
    checkSeen("group_failed", story);
  },
  group_met: async () => {
    const { id } = await server.heddle.createRun(runOf("anthropic"));
    const tasks = [
      { key: "a", group: "g", instructions: script(well("anthropic")).instructions },
      { key: "b", group: "g", pool: "faults-nobody", instructions: "wait for a worker" },
    ];
    await server.heddle.createTasks(id, { tasks, groups: { g: { require: 1, when_met: "cancel" } } });
    const story = await settled(id);
    expect(story.byKey.b).toMatchObject({ state: ruleOf("group_met").ends, error: { code: "group_met" } });
    checkSeen("group_met", story);
  },
  cancelled: async () => {
    const { run, first } = await leased();
    await server.heddle.cancelTask(run, "t", { reason: "enough" });
    const story = await settled(run);
    expect(story.byKey.t).toMatchObject({ state: "cancelled", error: { code: "cancelled", message: "enough" } });
    expect(await problemOf(server.heddle.complete(first.id, { result: "late" }))).toBe("lease_lost");
    checkSeen("cancelled", story);
  },
  run_ended: async () => {
    const { run } = await leased();
    await server.heddle.finishRun(run, { cancel: true });
    const story = await settled(run);
    expect(story.byKey.t).toMatchObject({ state: "cancelled", error: { code: "run_ended" } });
    const more = server.heddle.createTasks(run, { tasks: [{ instructions: "more" }] });
    expect(await problemOf(more)).toBe(ruleOf("run_ended").problem);
    checkSeen("run_ended", story);
  },

  lease_lost: async () => {
    const { run, first } = await leased();
    await server.heddle.complete(first.id, { result: "mine" });
    const error = { code: "x", message: "" };
    for (const late of [
      () => server.heddle.complete(first.id, { result: "again" }),
      () => server.heddle.fail(first.id, { error, retryable: true }),
      () => server.heddle.renewLease(first.id),
    ])
      expect(await problemOf(late())).toBe(ruleOf("lease_lost").problem);
    const story = await settled(run);
    expect(story.byKey.t).toMatchObject({ state: "succeeded", result: "mine", attempts: 1 });
    checkSeen("lease_lost", story);
  },
  worker_failed: async () => {
    const error = { code: "disk_full", message: "no room" };
    const { run, first, lease } = await leased({ retries: retries(1) });
    expect(await server.heddle.fail(first.id, { error, retryable: true })).toMatchObject({ state: "waiting" });
    expect(await server.heddle.fail((await lease()).id, { error, retryable: true })).toMatchObject({ state: "failed" });
    const story = await settled(run);
    expect(story.byKey.t).toMatchObject({ state: "failed", error, attempts: 2 });
    checkSeen("worker_failed", story);
    const permanent = await leased({ retries: retries(5) });
    await server.heddle.fail(permanent.first.id, { error });
    expect((await settled(permanent.run)).byKey.t).toMatchObject({ state: "failed", error, attempts: 1 });
  },
  worker_stopped: async () => {
    const given = { error: { code: "worker_stopped", message: "stopped" }, retryable: true };
    const { run, first, lease } = await leased({ retries: { limit: 0, backoff_ms: 600_000 } });
    expect(await server.heddle.fail(first.id, given)).toMatchObject({ state: "ready" });
    for (let stops = 2; stops <= 4; stops++)
      expect(await server.heddle.fail((await lease()).id, given)).toMatchObject({ state: "ready" });
    await server.heddle.complete((await lease()).id, { result: "mine" });
    const story = await settled(run);
    expect(story.byKey.t).toMatchObject({ state: "succeeded", result: "mine", attempts: 5 });
    checkSeen("worker_stopped", story);

    const passes = script(calling("anthropic", "look", {}), well("anthropic"));
    const pool = `eyes${process.pid}`;
    const look = { name: "look", description: "Looks.", input_schema: { type: "object" }, pool, retries: { limit: 0 } };
    const { id } = await server.heddle.createRun(
      runOf("anthropic", { tools: [look], root: { key: "root", instructions: passes.instructions } }),
    );
    const call = async () => (await server.heddle.leaseToolCalls(pool, { worker: "w", wait_ms: 20_000 }))[0]!.id;
    for (let stops = 1; stops <= 4; stops++) await server.heddle.fail(await call(), given);
    await server.heddle.complete(await call(), { result: "seen" });
    expect((await settled(id)).byKey.root).toMatchObject({ state: "succeeded" });
    expect(passes.asked()[1]).toContain("seen");
  },

  endpoint_unreachable: async () => {
    const gone = await Endpoint.start(() => ({ status: 200 }));
    const { url } = gone;
    await gone[Symbol.asyncDispose]();
    await toldToModel("endpoint_unreachable", calling("anthropic", "look", {}), "anthropic", {
      tools: [tool(url, 1)],
    });
  },
  endpoint_busy: async () => {
    const passes = script(calling("anthropic", "look", {}), well("anthropic"));
    await using busy = await Endpoint.start((_, n) =>
      n === 0 ? { status: 503 } : { status: 200, body: '{"result": "seen"}' },
    );
    const story = await told(
      runOf("anthropic", { tools: [tool(busy.url, 1)], root: { key: "root", instructions: passes.instructions } }),
    );
    expect(story.byKey.root).toMatchObject({ state: "succeeded" });
    expect(passes.asked()[1]).toContain("seen");
    expect(busy.received).toHaveLength(2);
    checkSeen("endpoint_busy", story);
  },
  endpoint_refused: async () => {
    await using refuses = await Endpoint.start(() => ({ status: 400, body: "no" }));
    const tools = [tool(refuses.url, 5)];
    await toldToModel("endpoint_refused", calling("anthropic", "look", {}), "anthropic", { tools });
    expect(refuses.received).toHaveLength(1);
  },
  tool_timed_out: async () => {
    const { url: _, ...more } = tool("");
    const tools = [{ ...more, pool: "faults-nobody", timeout_ms: 100 }];
    await toldToModel("tool_timed_out", calling("anthropic", "look", {}), "anthropic", { tools });
  },

  wait_timed_out: () =>
    toldToModel(
      "wait_timed_out",
      calling("anthropic", "future", { op: "await", name: "f", timeout_ms: 100, external: true }),
    ),
  deadlock_victim: () => toldToModel("deadlock_victim", calling("anthropic", "future", { op: "await", name: "f" })),
};

describe.concurrent("a fault of a model call", () => {
  const cases = Object.entries(modelCalls).flatMap(([fault, variants]) =>
    (variants as readonly Variant[]).map((variant, i) => [fault as ModelCallFault, i + 1, variant] as const),
  );
  it.each(cases)("%s, form %i, is what its row says", (fault, _, variant) => inModelCall(fault, variant));

  it("context_too_long goes on shorter where the task has on_context_too_long", async () => {
    const long = status("anthropic", 400, "invalid_request_error", "prompt is too long: 2 tokens > 1 maximum");
    const shortened = script(
      calling("anthropic", "inspect", {}),
      calling("anthropic", "inspect", {}),
      long,
      well("anthropic"),
    );
    const story = await told(runOf("anthropic"), {
      key: "t",
      instructions: shortened.instructions,
      on_context_too_long: { last: 1 },
      retries: retries(0),
    });
    expect(story.byKey.t).toMatchObject({ state: "succeeded", result: "well" });
    checkSeen("context_too_long", story);
    expect(shortened.asked()[3]!.length).toBeLessThan(shortened.asked()[2]!.length);
  });
});

describe.concurrent("a fault", () => {
  it.each(Object.entries(others))("%s is what its row says", async (_, story) => {
    await story();
  });
});

describe.concurrent("no fault of Anthropic's is", () => {
  const { blocks } = wire.anthropic;

  it("a reply that is paused: it goes on as it is, and a message that came meanwhile is seen after its calls", async () => {
    const search = { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "kettles" } };
    const found = { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [] };
    const add = { type: "tool_use", id: "toolu_add", name: "atomic", input: { op: "add", name: "kettles", delta: 1 } };
    const { promise: hasCome, resolve: come } = Promise.withResolvers<void>();
    const paused = script(
      (response) => void hasCome.then(() => stream(blocks("pause_turn", search))(response)),
      stream(blocks("pause_turn", found, { ...search, id: "srvtoolu_2" })),
      stream(blocks("tool_use", { ...found, tool_use_id: "srvtoolu_2" }, add)),
      stream(blocks("end_turn", { type: "text", text: "One." })),
    );
    const { id: run } = await server.heddle.createRun(runOf("anthropic"));
    await server.heddle.createTasks(run, {
      tasks: [{ key: "t", instructions: paused.instructions, retries: retries(0) }],
    });
    await until("it asks", 10_000, async () => paused.asked().length === 1);
    await server.heddle.sendMessage(run, "t", { content: "be quick" });
    come();
    expect((await settled(run)).byKey.t).toMatchObject({ state: "succeeded", result: "One.", turns: 4, attempts: 1 });
    const last = paused
      .asked()
      .map((text) => (JSON.parse(text) as { messages: { content: unknown }[] }).messages.at(-1));
    expect(last[1]).toMatchObject({ role: "assistant", content: [search] });
    expect(last[2]).toMatchObject({ role: "assistant", content: [found, { id: "srvtoolu_2" }] });
    expect(paused.asked().map((text) => text.includes("be quick"))).toEqual([false, false, false, true]);
    expect(await server.heddle.variable(run, "kettles")).toMatchObject({ state: { value: 1 } });
  });

  it("a reply without a word: the model is asked for its result, and its tokens count", async () => {
    const says = script(stream(blocks("end_turn")), well("anthropic"));
    const silent = script(stream(blocks("end_turn")));
    const { byKey } = await told(
      runOf("anthropic"),
      { key: "says", instructions: says.instructions, retries: retries(0) },
      { key: "silent", instructions: silent.instructions, retries: retries(0) },
    );
    expect(byKey.says).toMatchObject({ state: "succeeded", result: "well", turns: 2, usage: { output_tokens: 4 } });
    expect(byKey.silent).toMatchObject({ state: "succeeded", result: "", turns: 2 });
  });
});
