/** The chaos run's checker: silent about a history in order, and it catches each kind of broken promise in a doctored one. */

import { describe, expect, it } from "vitest";
import { check } from "../../chaos/check/check.ts";
import type { Act, Call, FoundRun, Op, Outcome, World } from "../../chaos/history.ts";
import type { EventView, RunView, TaskView } from "../../src/client/index.ts";

/** Everything in it may be written to: that is what a doctored history is. */
// biome-ignore lint/suspicious/noExplicitAny: a doctor reaches wherever it is
type Loose = any;

const run = "run_1";
const none = { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 };
const told = (answer: unknown): Outcome => ({ kind: "told", answer });
const op = (tool: string, name: string, what: string, more: object = {}): Op => ({
  tool,
  arguments: { op: what, name, ...more },
});

function task(id: string, more: object = {}): TaskView {
  const fields = { id, key: id.toLowerCase(), state: "succeeded", parent: null, generation: 1, attempts: 1, after: [] };
  return { ...fields, usage: none, result: `result of ${id}`, error: null, waiting_on: null, ...more } as never;
}

/** One run with one of everything, all as it should be. */
function world(): Loose {
  const calls: Call[] = [];
  const call = (act: Act, outcome: Outcome, more: Partial<Call> = {}) => {
    const n = calls.length + 1;
    calls.push({
      ...{ n, client: "c", run, act, from: 10 * n, to: 10 * n + 5, attempts: 1, cuts: 0, id: `id-${n}` },
      ...{ outcome, again: [], ...more },
    });
  };
  const result = (key: string, id: string) => ({
    key,
    expected: { kind: "result" as const, result: `result of ${id}` },
  });
  call({ kind: "create_run" }, told({ id: run }), { run: "", again: [{ id: run }] });
  call(
    { kind: "post", tasks: [result("ta", "TA"), result("tb", "TB")] },
    told({
      tasks: [
        { id: "TA", key: "ta" },
        { id: "TB", key: "tb" },
      ],
    }),
  );
  call({ kind: "retry", task: "TA" }, told({}));
  call({ kind: "message", task: "TB", text: "hello;" }, told({ seq: 10 }));
  call({ kind: "append", text: "said;" }, told({ snapshot: "s" }));
  call({ kind: "pause" }, told({}));
  call({ kind: "resume" }, told({}));
  call({ kind: "turn", task: "TB", generation: 1, text: "turn;" }, told({}));
  call({ kind: "complete", task: "TB", generation: 1, result: "result of TB" }, told({}));
  const did = (one: Op, answer: unknown, section?: string) =>
    call({ kind: "op", op: one, ...(section !== undefined && { section }) }, told({ result: answer }));
  did(op("atomic", "count", "add", { delta: 2 }), { value: 2 });
  did(op("atomic", "count", "add", { delta: 3 }), { value: 5 });
  call({ kind: "op", op: op("atomic", "count", "add", { delta: 4 }) }, { kind: "unknown" });
  did(op("shared_map", "tally", "increment", { key: "k", delta: 7 }), { value: 7 });
  did(op("shared_list", "list", "append", { items: ["x;"] }), { index: 0 });
  did(op("shared_memory", "notes", "append", { text: "line;\n" }), {});
  did(op("message_queue", "queue", "push", { messages: ["m1;", "m2;"] }), { pushed: true });
  did(op("message_queue", "queue", "pop"), { messages: ["m1;"] });
  did(op("message_queue", "queue", "pop"), { messages: ["m2;"] });
  did(op("future", "f", "resolve", { value: 1 }), { resolved: true });
  did(op("future", "f", "await"), { value: 1 });
  did(op("barrier", "b", "wait", { parties: 2 }), { generation: 1, index: 0 });
  did(op("barrier", "b", "wait", { parties: 2 }), { generation: 1, index: 1 });
  for (const [i, section] of ["one", "two"].entries()) {
    did(op("lock", "guard", "acquire"), { token: i + 1 }, section);
    did(op("shared_list", "sections-1", "append", { items: [`in ${section}`] }), { index: 2 * i }, section);
    did(op("shared_list", "sections-1", "append", { items: [`out ${section}`] }), { index: 2 * i + 1 }, section);
    did(op("lock", "guard", "release"), { released: true }, section);
  }
  const events = [
    { type: "run_created" },
    { type: "task_created", task: "TA" },
    { type: "task_created", task: "TB" },
    { type: "task_started", task: "TA", fence: 1 },
    { type: "turn", task: "TA", turn: 1, usage: { ...none, input_tokens: 5 } },
    { type: "task_ended", task: "TA", state: "succeeded" },
    { type: "task_retried", task: "TA", why: "asked" },
    { type: "task_started", task: "TA", fence: 2 },
    { type: "task_ended", task: "TA", state: "succeeded" },
    { type: "message_received", task: "TB" },
    { type: "run_paused" },
    { type: "run_resumed" },
    { type: "task_started", task: "TB", fence: 3 },
    { type: "turn", task: "TB", turn: 1 },
    { type: "call_done", task: "TB", call: "c1" },
    { type: "task_ended", task: "TB", state: "succeeded" },
    { type: "run_ended", status: "succeeded" },
  ].map((event, i) => ({ seq: i + 1, at: 1000 + i, causes: [], ...event })) as EventView[];
  const used = { ...none, input_tokens: 5 };
  const found: FoundRun = {
    run: { id: run, name: "u0-1", status: "succeeded", root: null, usage: used, counts: {} } as unknown as RunView,
    tasks: [task("TA", { generation: 2, usage: used }), task("TB")],
    events,
    transcripts: { TB: "… hello; … turn; …" },
    head: "… said; …",
    variables: {
      count: { kind: "atomic", value: 5 },
      tally: { kind: "shared_map", entries: { k: 7 } },
      list: { kind: "shared_list", items: ["x;"] },
      notes: { kind: "shared_memory", text: "line;\n" },
      queue: { kind: "message_queue", messages: [] },
      f: { kind: "future", value: 1, settled: true },
      b: { kind: "other" },
      guard: { kind: "other" },
      "sections-1": { kind: "shared_list", items: ["in one", "out one", "in two", "out two"] },
    },
  };
  const followed = [
    {
      ...{ client: "f", run, connections: 3, ended: true },
      events: events.map(({ seq, type, at }) => ({ seq, type, at })),
    },
  ];
  const seen = [
    { client: "c", run, task: "TB", at: 1, generation: 1, state: "succeeded" as const, result: "result of TB" },
  ];
  const received = events
    .filter(({ type }) => /^(task_(created|started|ended|retried)|run_(paused|resumed|ended))$/.test(type))
    .map(({ seq, type, state, status }) => {
      const told = type.replace("_", ".").replace("ended", String(state ?? status));
      return { run, id: `msg_${seq}`, seq, type: told, text: `text of ${seq}` };
    });
  return structuredClone({ calls, seen, followed, received, found: { [run]: found } } satisfies World);
}

const callOf = (w: Loose, kind: string): Loose => w.calls.find(({ act }: Call) => act.kind === kind);
const opOf = (w: Loose, name: string, what: string): Loose =>
  w.calls.find(({ act }: Loose) => act.kind === "op" && act.op.arguments.name === name && act.op.arguments.op === what);
const eventsOf = (w: Loose): Loose[] => w.found[run].events;
const variable = (w: Loose, name: string): Loose => w.found[run].variables[name];

/** What is done to the history, and the promise that is found broken by it. */
const doctored: [string, string, (w: Loose) => void][] = [
  ["lost", "a run told is there", (w) => delete w.found[run]],
  ["twice", "a run asked for once is there once", (w) => (w.found.run_2 = { ...w.found[run] })],
  ["wrong", "a repeat gets the first answer", (w) => callOf(w, "create_run").again.push({ id: "run_2" })],
  ["stuck", "every run ends", (w) => (w.found[run].run.status = "active")],
  ["wrong", "a run ends as its tasks did", (w) => (w.found[run].run.status = "failed")],
  ["lost", "a task told is there", (w) => w.found[run].tasks.pop()],
  ["lost", "a batch is there whole or not at all", (w) => w.found[run].tasks.pop()],
  ["twice", "a task posted once is there once", (w) => w.found[run].tasks.push(task("TC", { key: "tb" }))],
  ["wrong", "a task has the id that was told", (w) => (callOf(w, "post").outcome.answer.tasks[0].id = "TX")],
  ["wrong", "a refused task is not there", (w) => (callOf(w, "post").outcome = { kind: "refused", code: "x" })],
  ["wrong", "nothing is there that nobody posted", (w) => w.found[run].tasks.push(task("TC"))],
  ["stuck", "every task ends", (w) => (w.found[run].tasks[1].state = "parked")],
  ["wrong", "a task ends as it was to", (w) => (w.found[run].tasks[0].result = "somebody else's")],
  ["wrong", "an end that was shown does not change", (w) => (w.found[run].tasks[1].state = "failed")],
  ["lost", "a task that was shown is there", (w) => (w.seen[0].generation = 2)],
  ["lost", "a retry begins one generation", (w) => w.calls.push({ ...callOf(w, "retry") })],
  ["twice", "a retry begins one generation", (w) => (callOf(w, "retry").outcome = { kind: "refused", code: "x" })],
  ["twice", "one report is taken", (w) => w.calls.push({ ...callOf(w, "complete") })],
  ["lost", "a report that was taken ends its task", (w) => (w.found[run].tasks[1].state = "failed")],
  ["wrong", "a report that was taken is the result", (w) => (callOf(w, "complete").act.result = "mine")],
  ["lost", "what was appended is in the context", (w) => (w.found[run].head = "")],
  ["twice", "what was appended is in the context once", (w) => (w.found[run].head += "said;")],
  ["lost", "a turn told is in the transcript", (w) => (w.found[run].transcripts.TB = "hello;")],
  ["twice", "a turn is in the transcript once", (w) => (w.found[run].transcripts.TB += "turn;")],
  ["twice", "a message is in the transcript once", (w) => (w.found[run].transcripts.TB += "hello;")],
  ["lost", "a message told is in the log", (w) => (callOf(w, "message").outcome.answer.seq = 9)],
  ["lost", "a message told is shown, or named as unread", (w) => (w.found[run].transcripts.TB = "turn;")],
  ["wrong", "an unread message is not shown", (w) => (eventsOf(w)[15].unread = [10])],
  ["lost", "increments told are in the value", (w) => (variable(w, "count").value = 4)],
  ["twice", "increments are in the value once", (w) => (variable(w, "count").value = 10)],
  ["lost", "increments told are in the value", (w) => (variable(w, "tally").entries.k = 6)],
  [
    "wrong",
    "each increment is told a value of its own",
    (w) => (opOf(w, "count", "add").outcome.answer.result.value = 5),
  ],
  ["lost", "a variable that was used is there", (w) => delete w.found[run].variables.list],
  ["lost", "an item told is in its list", (w) => (variable(w, "list").items = [])],
  ["twice", "an item is in its list once", (w) => variable(w, "list").items.push("x;")],
  ["wrong", "an item stands where it was told", (w) => (opOf(w, "list", "append").outcome.answer.result.index = 1)],
  ["wrong", "nothing is in a list that nobody appended", (w) => variable(w, "list").items.push("y;")],
  ["wrong", "a refused item is not in its list", (w) => (opOf(w, "list", "append").outcome.answer = { error: {} })],
  ["lost", "an item told is in its list", (w) => (variable(w, "notes").text = "")],
  ["twice", "an item is in its list once", (w) => (variable(w, "notes").text += "line;\n")],
  ["lost", "pushed is popped or there", (w) => (opOf(w, "queue", "pop").outcome.answer.result.messages = [])],
  ["twice", "a message goes to one pop", (w) => opOf(w, "queue", "pop").outcome.answer.result.messages.push("m2;")],
  ["wrong", "nobody gets what nobody pushed", (w) => variable(w, "queue").messages.push("m3;")],
  ["twice", "a future is resolved once", (w) => w.calls.push({ ...opOf(w, "f", "resolve") })],
  ["lost", "a resolved future is resolved", (w) => (variable(w, "f").settled = false)],
  ["wrong", "a future has the value of the one who resolved it", (w) => (variable(w, "f").value = 2)],
  ["wrong", "all who await a future see one value", (w) => (opOf(w, "f", "await").outcome.answer.result.value = 2)],
  ["twice", "a barrier's places are given once", (w) => (opOf(w, "b", "wait").outcome.answer.result.index = 1)],
  ["lost", "a generation is whole", (w) => w.calls.splice(w.calls.indexOf(opOf(w, "b", "wait")), 1)],
  ["twice", "a lock's token is given once", (w) => (opOf(w, "guard", "acquire").outcome.answer.result.token = 2)],
  ["wrong", "a lock has one holder at a time", (w) => (opOf(w, "guard", "release").from = 100_000)],
  [
    ...(["wrong", "critical sections do not overlap"] as const),
    (w) => (variable(w, "sections-1").items = ["in one", "in two", "out one", "out two"]),
  ],
  ["wrong", "who leaves a section is in it", (w) => variable(w, "sections-1").items.reverse()],
  ["lost", "the log has no gap", (w) => eventsOf(w).splice(10, 1)],
  ["twice", "a task is created once", (w) => (eventsOf(w)[2].task = "TA")],
  ["twice", "a task ends once in a generation", (w) => (eventsOf(w)[15].task = "TA")],
  ["twice", "turns are logged once each", (w) => (eventsOf(w)[13].turn = 0)],
  ["lost", "turns are logged once each", (w) => (eventsOf(w)[13].turn = 3)],
  ["twice", "a call is answered once", (w) => Object.assign(eventsOf(w)[15], { type: "call_done", call: "c1" })],
  ["twice", "fences rise", (w) => (eventsOf(w)[12].fence = 2)],
  ["lost", "a task is in the log", (w) => (eventsOf(w)[2].type = "other")],
  ["lost", "a follower sees each event once", (w) => w.followed[0].events.splice(4, 1)],
  ["twice", "a follower sees each event once", (w) => w.followed[0].events.splice(4, 0, w.followed[0].events[3])],
  ["lost", "an event that was sent is in the log", (w) => (w.followed[0].events[4].type = "task_ended")],
  ["stuck", "a follower comes to the end", (w) => (w.followed[0].ended = false)],
  ["lost", "a follower sees all events", (w) => w.followed[0].events.pop()],
  ["lost", "usage is the sum of what was logged", (w) => (w.found[run].run.usage.input_tokens = 4)],
  ["twice", "usage is the sum of what was logged", (w) => (w.found[run].run.usage.input_tokens = 10)],
  ["lost", "a pause is in the log once", (w) => (eventsOf(w)[10].type = "other")],
  ["lost", "a webhook is told of each event", (w) => w.received.pop()],
  ["wrong", "a webhook tells what is in the log", (w) => (w.received[3].seq = 1)],
  ["wrong", "a webhook tells what is in the log", (w) => (w.received[3].type = "task.failed")],
  ["wrong", "a message is the same at every attempt", (w) => w.received.push({ ...w.received[0], text: "other" })],
  ["twice", "a resume is in the log once", (w) => (eventsOf(w)[10].type = "run_resumed")],
];

describe("the checker", () => {
  it("has nothing to say of a history in order", () => {
    expect(check(world())).toEqual([]);
  });

  it.each(doctored)("finds %s: %s (%#)", (sort, rule, doctor) => {
    const history = world();
    doctor(history);
    expect(check(history)).toContainEqual(expect.objectContaining({ sort, rule }));
  });

  it("reads ops of tasks from their results: they count, and none is refused", () => {
    const history = world();
    const add = op("atomic", "count", "add", { delta: 5 });
    const planned = { key: "tb", expected: { kind: "answers" }, ops: [add] };
    callOf(history, "post").act.tasks[1] = planned;
    history.calls = history.calls.filter(({ act }: Call) => act.kind !== "complete");
    history.seen = [];
    history.found[run].tasks[1].result = '[{"value": 10}]';
    expect(check(history)).toMatchObject([{ sort: "lost", rule: "increments told are in the value" }]);
    variable(history, "count").value = 10;
    expect(check(history)).toEqual([]);
    history.found[run].tasks[1].result = '[{"error": {"code": "stale_fence"}}]';
    expect(check(history)).toMatchObject([
      { sort: "wrong", rule: "a task ends as it was to" },
      { sort: "twice", rule: "increments are in the value once" },
    ]);
  });

  it("counts an increment of unknown outcome as one that may be there", () => {
    const history = world();
    variable(history, "count").value = 9;
    expect(check(history)).toEqual([]);
  });

  it("lets a pop of unknown outcome have taken what it might have, and no more", () => {
    const history = world();
    opOf(history, "queue", "pop").outcome = { kind: "unknown" };
    expect(check(history)).toEqual([]);
    history.calls = history.calls.filter(
      (call: Loose) => call.act.op?.arguments.op !== "pop" || call.outcome.kind === "unknown",
    );
    expect(check(history)).toMatchObject([{ sort: "lost", rule: "pushed is popped or there" }]);
  });
});
