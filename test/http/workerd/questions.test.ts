/** Questions over HTTP, on the real objects: who is asked what, an answer that counts once, and whoever has no right to either. */

import { evictDurableObject } from "cloudflare:test";
import { beforeAll, describe, expect, it } from "vitest";
import { answeredView, questionsPage } from "../../../src/contract/question-responses.ts";
import type { AnsweredView, QuestionView, QuestionWait, StallView } from "../../../src/contract/question-shapes.ts";
import { taskView } from "../../../src/contract/responses.ts";
import type { EventView } from "../../../src/contract/shapes.ts";
import { askCharsMax, runTimeoutMsDefault, stallWaitsShown, valueBytesMax } from "../../../src/limits.ts";
import { bindings, newKey, newTenant, send } from "./lib.ts";

let tenant: string;
let key: string;

beforeAll(async () => {
  tenant = await newTenant();
  ({ key } = await newKey(tenant, { scopes: ["runs", "workers"] }));
});

const api = (method: string, path: string, json?: unknown, more: { key?: string; idem?: string } = {}) =>
  send(method, path, { key, ...(json !== undefined && { json }), ...more });

interface Asker {
  readonly task: string;
  /** Calls a tool of the task's lease. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  readonly call: (tool: string, args: object, callId?: string) => Promise<{ status: number; body: any }>;
}

/** A run whose tasks are held by a worker. */
async function newRun(keys: readonly string[] = ["asker"], body: object = {}) {
  const pool = "box";
  const limits = { pools: [pool], stall_ms: 3600_000, ...("limits" in body ? (body.limits as object) : {}) };
  const run: string = (await api("POST", "/v1/runs", { ...body, limits })).body.id;
  await api("POST", `/v1/runs/${run}/tasks`, { tasks: keys.map((one) => ({ key: one, pool, instructions: "Ask." })) });
  const { leases } = (await api("POST", `/v1/pools/${pool}/leases`, { worker: "w", max: keys.length })).body;
  expect(leases).toHaveLength(keys.length);
  const askers = leases.map(
    ({ id, task }: { id: string; task: { id: string } }): Asker => ({
      task: task.id,
      call: (tool, args, callId = "c1") =>
        api("POST", `/v1/leases/${id}/tools/${tool}`, { arguments: args, call_id: callId, wait_ms: 0 }),
    }),
  );
  return { run, askers: askers as Asker[] };
}

async function questions(run: string, query = ""): Promise<QuestionView[]> {
  const { status, body } = await api("GET", `/v1/runs/${run}/questions${query}`);
  expect({ status, body }).toMatchObject({ status: 200 });
  return questionsPage.parse(body).questions as QuestionView[];
}
const asks = async (run: string, query = "") => (await questions(run, query)) as ({ kind: "ask" } & QuestionWait)[];
const answer = (run: string, id: string, json: object, more?: { key?: string; idem?: string }) =>
  api("POST", `/v1/runs/${run}/questions/${id}/answer`, json, more);
async function answered(run: string, id: string, json: object): Promise<AnsweredView> {
  const { status, body } = await answer(run, id, json);
  expect({ status, body }).toMatchObject({ status: 200 });
  return answeredView.parse(body);
}
const events = async (run: string): Promise<EventView[]> =>
  (await api("GET", `/v1/runs/${run}/events?limit=1000`)).body.events;
const lastSeq = async (run: string) => (await events(run)).at(-1)!.seq;
const asking = (more: object = {}) => ({ op: "await", name: "plan", external: true, ...more });

describe("a task that asks", () => {
  it("is listed with its words, in its waiting_on and in the log; the answer is what its call gets", async () => {
    const { run, askers } = await newRun();
    const [asker] = askers as [Asker];
    expect(await questions(run)).toEqual([]);
    // A wait without a time of its own ends with the task's: a day, if nobody says otherwise.
    const { timings } = taskView.parse((await api("GET", `/v1/runs/${run}/tasks/asker`)).body);
    const until = timings.started_at! + runTimeoutMsDefault;
    const ask = "Deploy to production?\nIt costs $5.";
    expect((await asker.call("future", asking({ ask }))).body).toEqual({ pending: true, call_id: "c1" });
    const [question] = await asks(run);
    const began = (await events(run)).find(({ type }) => type === "call_waiting")!;
    expect(question).toEqual({
      ...{ kind: "ask", id: `Q${began.seq}-${run.slice(4, 10)}`, task: asker.task, key: "asker", title: null },
      ...{ op: "future.await", variables: ["plan"], wanted: ["plan"], since: began.at, until, ask },
      actions: ["answer", "decline", "cancel"],
    });
    expect(began).toMatchObject({ type: "call_waiting", ask, question: question!.id, want: { external: true } });
    const { waiting_on } = taskView.parse((await api("GET", `/v1/runs/${run}/tasks/asker`)).body);
    expect(waiting_on).toMatchObject({ variables: ["plan"], external: true, ask, question: question!.id });
    const count = async () => (await api("GET", `/v1/runs/${run}`)).body.questions;
    expect(await count()).toBe(1);
    const value = { go: true, limit: 5 };
    expect(await answered(run, question!.id, { action: "answer", value })).toEqual({
      ...{ id: question!.id, action: "answer", open: false },
    });
    expect((await asker.call("future", asking({ ask }))).body).toEqual({ result: { value } });
    expect((await events(run)).find(({ type }) => type === "future_settled")).toMatchObject({ causes: [began.seq] });
    expect([await questions(run), await count()]).toEqual([[], 0]);
  });

  it("asks by `ask` alone; without words it asks for a variable; what contradicts is refused", async () => {
    const { run, askers } = await newRun(["a", "b", "c"]);
    const [a, b, c] = askers as [Asker, Asker, Asker];
    await a.call("message_queue", { op: "pop", name: "mail", ask: "Anything else?" });
    await b.call("future", asking({ name: "other", timeout_ms: 60_000 }));
    const time = (since: number, until: number | null) => (until! - since <= 60_000 ? "a minute" : "the task's");
    expect((await asks(run)).map(({ op, ask, wanted, since, until }) => [op, ask, wanted, time(since, until)])).toEqual(
      [
        ["message_queue.pop", "Anything else?", ["mail"], "the task's"],
        ["future.await", null, ["other"], "a minute"],
      ],
    );
    for (const [i, wrong] of [
      asking({ external: false, ask: "Me?" }),
      asking({ ask: "" }),
      asking({ ask: "x".repeat(askCharsMax + 1) }),
      asking({ ask: "\ud800" }),
      { op: "resolve", name: "plan", value: 1, ask: "Me?" },
    ].entries())
      expect((await c.call("future", wrong, `c${i}`)).body.error, JSON.stringify(wrong)).toMatchObject({
        code: "bad_arguments",
      });
    expect(await questions(run)).toHaveLength(2);
  });

  it("gets one answer, though it is sent twice at once, again, or another one later", async () => {
    const { run, askers } = await newRun(["a", "b"]);
    const [a, b] = askers as [Asker, Asker];
    const pop = { op: "pop", name: "mail", ask: "Your name?" };
    await a.call("message_queue", pop);
    await b.call("message_queue", pop);
    const [first] = await asks(run);
    const sent = await Promise.all(["x", "y", "z"].map((value) => answer(run, first!.id, { action: "answer", value })));
    expect(sent.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    const seq = await lastSeq(run);
    for (const late of [
      { action: "answer", value: "w" },
      { action: "decline" },
      { action: "cancel" },
      { action: "extend" },
    ])
      expect((await answer(run, first!.id, late)).body).toMatchObject({ code: "question_closed", retryable: false });
    expect(await lastSeq(run)).toBe(seq);
    // The other one's turn has come, and it has got nothing.
    const [second] = await asks(run);
    expect(second).toMatchObject({ task: b.task });
    expect((await b.call("message_queue", pop)).body).toEqual({ pending: true, call_id: "c1" });
    expect((await a.call("message_queue", pop)).body.result.messages).toHaveLength(1);
    // Under one key the second answer is the first one's, and not a refusal.
    const twice = [1, 2].map(() => answer(run, second!.id, { action: "answer", value: "v" }, { idem: "once" }));
    expect((await Promise.all(twice)).map(({ status, body }) => [status, body.open])).toEqual([
      [200, false],
      [200, false],
    ]);
    expect((await b.call("message_queue", pop)).body).toEqual({ result: { messages: ["v"] } });
    expect((await a.call("message_queue", { op: "size", name: "mail" }, "c2")).body.result).toMatchObject({ size: 0 });
  });

  it("hears a no: a future is rejected with it, a wait for a message ends with it", async () => {
    const { run, askers } = await newRun(["a", "b"]);
    const [a, b] = askers as [Asker, Asker];
    const pop = { op: "pop", name: "mail", external: true };
    await a.call("future", asking());
    await b.call("message_queue", pop);
    const [first, second] = await asks(run);
    await answered(run, first!.id, { action: "decline", reason: "Not this week." });
    await answered(run, second!.id, { action: "decline", reason: "Nobody knows." });
    expect((await a.call("future", asking())).body).toEqual({
      result: { error: { code: "declined", message: "Not this week." } },
    });
    expect((await b.call("message_queue", pop)).body.error).toMatchObject({
      code: "declined",
      reason: "Nobody knows.",
    });
  });

  it("waits for several and is told one by one", async () => {
    const { run, askers } = await newRun();
    const [asker] = askers as [Asker];
    const wait = { op: "await", names: ["colour", "size"], ask: "Which, and how large?" };
    await asker.call("future", wait);
    const { id } = (await asks(run))[0]!;
    const wrong = await answer(run, id, { action: "answer", value: "red" });
    expect(wrong.body).toMatchObject({ code: "validation_failed", errors: [{ path: "variable" }] });
    expect(wrong.body.detail).toContain('"colour"');
    expect(await answered(run, id, { action: "answer", value: "red", variable: "colour" })).toMatchObject({
      open: true,
    });
    expect((await answer(run, id, { action: "answer", value: "blue", variable: "colour" })).body).toMatchObject({
      ...{ status: 409, code: "question_closed" },
    });
    expect((await asks(run))[0]).toMatchObject({ variables: ["colour", "size"], wanted: ["size"] });
    expect(await answered(run, id, { action: "answer", value: "L", variable: "size" })).toMatchObject({ open: false });
    expect((await asker.call("future", wait)).body.result.futures).toEqual([
      { name: "colour", state: "resolved", value: "red" },
      { name: "size", state: "resolved", value: "L" },
    ]);
  });

  it("can be ended in answer, and takes its question with it when it ends by itself", async () => {
    const { run, askers } = await newRun(["a", "b"]);
    const [a, b] = askers as [Asker, Asker];
    await a.call("future", asking());
    await b.call("future", asking({ name: "other" }));
    const [first, second] = await asks(run);
    expect(await answered(run, first!.id, { action: "cancel", reason: "Not needed." })).toMatchObject({ open: false });
    expect((await api("GET", `/v1/runs/${run}/tasks/${a.task}`)).body).toMatchObject({
      ...{ state: "cancelled", error: { code: "cancelled", message: "Not needed." } },
    });
    await api("POST", `/v1/runs/${run}/tasks/${b.task}/cancel`, {});
    expect(await questions(run)).toEqual([]);
    expect((await answer(run, second!.id, { action: "answer", value: 1 })).body.code).toBe("question_closed");
  });

  it("is still there, and is answered once, after its run's object was put away", async () => {
    const { run, askers } = await newRun();
    const [asker] = askers as [Asker];
    await asker.call("future", asking({ ask: "Still there?" }));
    const [before] = await asks(run);
    await evictDurableObject(bindings.RUNS.getByName(`${tenant}/${run}`) as never);
    expect(await asks(run)).toEqual([before]);
    await answered(run, before!.id, { action: "answer", value: "yes" });
    await evictDurableObject(bindings.RUNS.getByName(`${tenant}/${run}`) as never);
    expect((await answer(run, before!.id, { action: "answer", value: "no" })).body.code).toBe("question_closed");
    expect((await asker.call("future", asking({ ask: "Still there?" }))).body).toEqual({ result: { value: "yes" } });
  });

  it("is asked in full where its run is redacted, since somebody has to answer; whoever only looks sees no words", async () => {
    const { run, askers } = await newRun(["asker"], { redact: true });
    await askers[0]!.call("future", asking({ ask: "ZEBRA?" }));
    expect((await asks(run))[0]).toMatchObject({ ask: "ZEBRA?" });
    expect(JSON.stringify(await events(run))).not.toContain("ZEBRA");
    const look = await api("POST", `/v1/runs/${run}/tools/inspect`, { arguments: { task: "asker" } });
    expect(look.body.result.waiting_on).toMatchObject({ external: true, ask: "[redacted]" });
  });
});

describe("the list", () => {
  it("has pages, that fit together though a question before them is answered", async () => {
    const { run, askers } = await newRun(["a", "b", "c"]);
    for (const [i, asker] of askers.entries()) await asker.call("future", asking({ name: `f${i}` }));
    const page = async (query: string) => (await api("GET", `/v1/runs/${run}/questions?${query}`)).body;
    const first = await page("limit=2");
    expect(first.questions.map(({ task }: QuestionWait) => task)).toEqual([askers[0]!.task, askers[1]!.task]);
    await answered(run, first.questions[1].id, { action: "answer", value: 1 });
    const second = await page(`limit=2&cursor=${first.next_cursor}`);
    expect(second).toMatchObject({ questions: [{ task: askers[2]!.task }], next_cursor: null });
    expect(await page("cursor=nothing")).toMatchObject({ code: "validation_failed", errors: [{ path: "cursor" }] });
    expect(await page("limit=0")).toMatchObject({ code: "validation_failed" });
  });

  it("is of all, or of what holds up the tasks that are named", async () => {
    const { run, askers } = await newRun(["a", "b"]);
    const [a, b] = askers as [Asker, Asker];
    await api("POST", `/v1/runs/${run}/tasks`, {
      tasks: [{ key: "later", after: ["a"], pool: "box", instructions: "x" }],
    });
    await a.call("future", asking());
    await b.call("future", asking({ name: "other" }));
    const of = async (query: string) => (await asks(run, query)).map(({ task }) => task);
    expect(await of("")).toEqual([a.task, b.task]);
    expect(await of("?tasks=later")).toEqual([a.task]);
    expect(await of(`?tasks=${b.task}`)).toEqual([b.task]);
    expect(await of(`?tasks=later,${b.task}`)).toEqual([a.task, b.task]);
    expect((await api("GET", `/v1/runs/${run}/questions?tasks=nobody`)).body).toMatchObject({
      ...{ code: "not_found", errors: [{ path: "tasks[0]" }] },
    });
  });
});

describe("a run that stands still", () => {
  it("is a question until somebody acts; what is offered is carried out", async () => {
    const { run, askers } = await newRun(["a", "b", "c"]);
    const [a, b, c] = askers as [Asker, Asker, Asker];
    await a.call("future", { op: "await", name: "plan" });
    await b.call("message_queue", { op: "pop", name: "mail" });
    expect(await questions(run)).toEqual([]);
    await c.call("barrier", { op: "wait", name: "all", parties: 3 });
    const [stall] = (await questions(run)) as [{ kind: "stall" } & StallView];
    expect(stall).toMatchObject({ kind: "stall", waits_total: 3, actions: ["extend"] });
    expect(stall.waits.map(({ task, op, wanted, actions }) => [task, op, wanted, actions.length])).toEqual([
      [a.task, "future.await", ["plan"], 3],
      [b.task, "message_queue.pop", ["mail"], 3],
      [c.task, "barrier.wait", [], 1],
    ]);
    expect((await answer(run, stall.id, { action: "answer", value: 1 })).body).toMatchObject({
      ...{ code: "validation_failed", errors: [{ path: "action" }] },
    });
    // More time is counted anew, and is known after the object was put away.
    expect(await answered(run, stall.id, { action: "extend" })).toEqual({ id: stall.id, action: "extend", open: true });
    await evictDurableObject(bindings.RUNS.getByName(`${tenant}/${run}`) as never);
    const [extended] = (await questions(run)) as [{ kind: "stall" } & StallView];
    const asked = (await events(run)).find(({ type }) => type === "stall_extended")!;
    expect(extended).toMatchObject({ id: stall.id, since: stall.since, until: asked.at + 3600_000 });
    // An answer to one of its waits; then it is over, and nothing of what was offered is taken any more.
    const message = { action: "answer", value: "go" };
    expect(await answered(run, stall.waits[1]!.id, message)).toMatchObject({ open: false });
    expect((await b.call("message_queue", { op: "pop", name: "mail" })).body).toEqual({ result: { messages: ["go"] } });
    expect(await questions(run)).toEqual([]);
    for (const [id, late] of [
      [stall.id, { action: "extend" }],
      [stall.waits[0]!.id, message],
      [stall.waits[1]!.id, message],
    ] as const)
      expect((await answer(run, id, late)).body.code).toBe("question_closed");
    expect((await b.call("message_queue", { op: "size", name: "mail" }, "c2")).body.result).toMatchObject({ size: 0 });
  });

  it("names so many waits and no more, and each of the others is answered by its id too", async () => {
    const names = Array.from({ length: stallWaitsShown + 2 }, (_, i) => `t${i}`);
    const { run, askers } = await newRun(names, { limits: { workers: 100 } });
    for (const [i, asker] of askers.entries()) await asker.call("future", { op: "await", name: `f${i}` });
    const [stall] = (await questions(run)) as [{ kind: "stall" } & StallView];
    expect([stall.waits.length, stall.waits_total]).toEqual([stallWaitsShown, stallWaitsShown + 2]);
    const last = (await events(run)).findLast(({ type }) => type === "call_waiting")!;
    const id = `Q${last.seq}-${run.slice(4, 10)}`;
    expect(await answered(run, id, { action: "cancel" })).toMatchObject({ open: false });
    const [next] = (await questions(run)) as [{ kind: "stall" } & StallView];
    expect([next.id === stall.id, next.waits_total]).toEqual([false, stallWaitsShown + 1]);
  });
});

describe("nobody else", () => {
  it("sees or answers another tenant's, nor a key without the scope, nor an id of another run", async () => {
    const { run, askers } = await newRun();
    await askers[0]!.call("future", asking());
    const { id } = (await asks(run))[0]!;
    const other = await newKey(await newTenant("Others"), { scopes: ["runs"] });
    const worker = await newKey(tenant, { scopes: ["workers"] });
    const yes = { action: "answer", value: "yes" };
    const seq = await lastSeq(run);
    expect((await api("GET", `/v1/runs/${run}/questions`, undefined, other)).body.code).toBe("not_found");
    expect((await answer(run, id, yes, other)).body.code).toBe("not_found");
    expect((await api("GET", `/v1/runs/${run}/questions`, undefined, worker)).body.code).toBe("forbidden");
    expect((await answer(run, id, yes, worker)).body.code).toBe("forbidden");
    const second = await newRun();
    expect((await answer(second.run, id, yes)).body.code).toBe("not_found");
    const tag = run.slice(4, 10);
    for (const wrong of ["Q1-000000", `Q1-${tag}`, `Q999999-${tag}`, `Q0-${tag}`, `C5-${tag}`, "x", "__proto__"])
      expect((await answer(run, wrong, yes)).body.code, wrong).toBe("not_found");
    expect(await lastSeq(run)).toBe(seq);
  });

  it("is answered with what is no answer, or is too large; and nothing of it is done", async () => {
    const { run, askers } = await newRun();
    await askers[0]!.call("future", asking());
    const { id } = (await asks(run))[0]!;
    for (const [wrong, path] of [
      [{}, "action"],
      [{ action: "resolve" }, "action"],
      [{ action: "answer" }, "value"],
      [{ action: "answer", value: 1, more: 2 }, "more"],
      [{ action: "answer", value: "x".repeat(valueBytesMax) }, "value"],
      [{ action: "answer", value: 1, variable: "other" }, "variable"],
      [{ action: "decline", reason: "" }, "reason"],
      [{ action: "extend" }, "action"],
    ] as const) {
      const { status, body } = await answer(run, id, wrong);
      expect([status, body.code, body.errors[0].path], JSON.stringify(wrong).slice(0, 99)).toEqual([
        ...[422, "validation_failed", path],
      ]);
    }
    expect((await answer(run, id, { action: "answer", value: null })).status).toBe(200);
    expect((await askers[0]!.call("future", asking())).body).toEqual({ result: { value: null } });
  });

  it("answers a run that has ended, which has no questions", async () => {
    const { run, askers } = await newRun();
    await askers[0]!.call("future", asking());
    const { id } = (await asks(run))[0]!;
    await api("POST", `/v1/runs/${run}/cancel`, {});
    expect(await questions(run)).toEqual([]);
    expect((await answer(run, id, { action: "answer", value: 1 })).body.code).toBe("run_ended");
    await api("DELETE", `/v1/runs/${run}`);
    expect((await api("GET", `/v1/runs/${run}/questions`)).body.code).toBe("not_found");
    expect((await answer(run, id, { action: "answer", value: 1 })).body.code).toBe("not_found");
  });
});
