/** The chaos run's checker: silent about a history in order, and it catches each kind of broken promise in a doctored one. */

import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { check } from "../../chaos/check/check.ts";
import type { Act, Call, FoundRun, Life, Op, Outcome, Planned, World } from "../../chaos/history.ts";
import type { EventView, RunRow, RunView, TaskView } from "../../src/client/index.ts";

/** Everything in it may be written to: that is what a doctored history is. */
// biome-ignore lint/suspicious/noExplicitAny: a doctor reaches wherever it is
type Loose = any;

const run = "run_1";
const copy = "run_2";
const gone = "run_3";
const none = { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 };
const told = (answer: unknown): Outcome => ({ kind: "told", answer });
const op = (tool: string, name: string, what: string, more: object = {}): Op => ({
  tool,
  arguments: { op: what, name, ...more },
});

function task(id: string, more: object = {}): TaskView {
  const fields = { id, key: id.toLowerCase(), state: "succeeded", parent: null, generation: 1, attempts: 1, after: [] };
  const none_of = { group: null, stand_in: null, stands_in_for: null };
  return {
    ...fields,
    ...none_of,
    usage: none,
    result: `result of ${id}`,
    error: null,
    waiting_on: null,
    ...more,
  } as never;
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
  const result = (key: string, id: string, more: object = {}): Planned => ({
    ...{ key, expected: { kind: "result", result: `result of ${id}` } },
    ...more,
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
  const together: Planned[] = [
    result("tg1", "TG1", { standIn: "compensation" }),
    { key: "tg2", expected: { kind: "failed", code: "broken" } },
    { key: "tg3", expected: { kind: "cancelled", code: "group_failed" } },
  ];
  const words = [
    { tool: "stamp", word: "w1" },
    { tool: "press", word: "w2" },
  ];
  const others: Planned[] = [
    { key: "ts", expected: { kind: "stamped" }, words },
    result("tf", "TF", { children: 2 }),
    { key: "tr", expected: { kind: "raced", result: "result of TR" } },
    { key: "tw", expected: { kind: "worked" } },
  ];
  for (const tasks of [together, others])
    call({ kind: "post", tasks }, told({ tasks: tasks.map(({ key }) => ({ id: key.toUpperCase(), key })) }));
  call({ kind: "budget", tokens: 100 }, told({}));
  call({ kind: "budget", tokens: 1 }, { kind: "refused", code: "below_spent" });
  call({ kind: "stamp", key: `${run}_32`, word: "w2", stamp: "w2 pressed 3;" }, told({}));
  call({ kind: "import", of: run }, told({ id: copy }), { run: "" });
  call({ kind: "delete" }, { kind: "refused", code: "not_found" }, { run: gone });
  call({ kind: "retry", task: "TA" }, told({}));
  call({ kind: "message", task: "TB", text: "hello;" }, told({ seq: 10 }));
  call({ kind: "append", text: "said;" }, told({ snapshot: "s" }));
  call({ kind: "answer", question: "Q1" }, told({}));
  call({ kind: "answer", question: "Q1" }, { kind: "refused", code: "question_closed" });
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
  const [tenant, left] = ["ten_1", "ten_2"];
  call({ kind: "create_tenant", name: "house" }, told({ id: tenant }));
  for (const id of ["key_1", "key_2", "key_3"])
    call({ kind: "create_key", tenant, name: id }, told({ id, key: `secret of ${id}` }));
  call({ kind: "rotate_key", tenant, key: "key_2" }, told({ id: "key_4" }));
  call({ kind: "revoke_key", tenant, key: "key_3" }, told({}));
  call({ kind: "let_run", tenant }, told({ id: "run_8" }));
  for (const [i, workers] of [2, 3, 4].entries())
    call({ kind: "hold", tenant, workers }, i < 2 ? told({}) : { kind: "unknown" });
  call({ kind: "create_tenant", name: "flat" }, told({ id: left }));
  call({ kind: "create_key", tenant: left, name: "key_5" }, told({ id: "key_5" }));
  call({ kind: "delete_tenant", tenant: left }, told({ status: "deleting" }));
  const letIn = { key_1: true, key_2: false, key_3: false, key_4: true };
  const runs = { run_8: { isLive: true, workers: 4 } };
  const nobody = { status: "deleted", runsLeft: 0, keys: 0, workers: null, runs: {} };
  const tenants = [
    { id: tenant, name: "house", status: "active", runsLeft: 0, letIn, keys: 4, workers: 4, runs },
    { id: left, name: "", letIn: { key_5: false }, ...nobody },
  ];
  const twice = ["tool_call_started", "tool_call_started"];
  const events = [
    { type: "run_created", limits: { tokens: 10 } },
    { type: "task_created", task: "TA" },
    { type: "task_created", task: "TB" },
    { type: "task_started", task: "TA", fence: 1 },
    { type: "turn", task: "TA", turn: 1, usage: { ...none, input_tokens: 5 } },
    { type: "task_ended", task: "TA", state: "succeeded" },
    { type: "task_retried", task: "TA", why: "asked" },
    { type: "task_started", task: "TA", fence: 2 },
    { type: "task_ended", task: "TA", state: "succeeded" },
    { type: "message_received", task: "TB" },
    { type: "run_paused", reason: "asked" },
    { type: "run_resumed" },
    { type: "task_started", task: "TB", fence: 3 },
    { type: "turn", task: "TB", turn: 1 },
    { type: "call_done", task: "TB", call: "c1" },
    { type: "task_ended", task: "TB", state: "succeeded" },
    { type: "limits_changed", tokens: 100 },
    { type: "tokens_reserved", task: "TS", tokens: 50 },
    ...["TS", "TF", "TX", "TY", "TR", "TG1", "TG2", "TG3", "TU"].map((task) => ({ type: "task_created", task })),
    ...["call_waiting", ...twice, "call_done"].map((type) => ({ type, task: "TS", call: "c1" })),
    ...["call_waiting", "tool_call_started", "call_done"].map((type) => ({ type, task: "TS", call: "c2" })),
    ...["TS", "TF", "TX", "TY", "TR", "TG1"].map((task) => ({ type: "task_ended", task, state: "succeeded" })),
    { type: "task_ended", task: "TG2", state: "failed" },
    { type: "task_observed", task: "TG2" },
    { type: "group_decided", task: "TG1", name: "trip", verdict: "failed" },
    { type: "task_ended", task: "TG3", state: "cancelled" },
    { type: "task_ended", task: "TU", state: "succeeded" },
    { type: "task_created", task: "TW" },
    { type: "task_started", task: "TW", fence: 4 },
    { type: "attempt_ended", task: "TW", fence: 4, why: "restart", error: { code: "worker_stopped" } },
    { type: "task_started", task: "TW", fence: 5 },
    { type: "task_ended", task: "TW", state: "succeeded" },
    { type: "run_ended", status: "succeeded" },
  ].map((event, i) => ({ seq: i + 1, at: 1000 + i, causes: [], ...event })) as EventView[];
  const used = { ...none, input_tokens: 5 };
  const group = { name: "trip", state: "failed", require: 3, succeeded: 1, ended: 3, size: 3 };
  const shown = (stamps: readonly string[]) => {
    const content = stamps.map((stamp) => ({
      type: "tool_result",
      content: [{ type: "text", text: JSON.stringify({ stamp }) }],
    }));
    return JSON.stringify({ messages: [{ role: "user", content }] });
  };
  const found: FoundRun = {
    run: {
      ...{ id: run, name: "u0-1", status: "succeeded", root: null, usage: used, counts: {}, limits: { tokens: 100 } },
    } as unknown as RunView,
    tasks: [
      ...[task("TA", { generation: 2, usage: used }), task("TB")],
      task("TS", { result: '[{"stamp":"w1 stamped 1;"},{"stamp":"w2 pressed 3;"}]' }),
      ...[task("TF"), task("TX", { parent: "TF" }), task("TY", { parent: "TF" }), task("TR")],
      task("TW", { result: "done tw by 5" }),
      task("TG1", { group, stand_in: "TU" }),
      task("TG2", { group, state: "failed", error: { code: "broken" } }),
      task("TG3", { group, state: "cancelled", error: { code: "group_failed" } }),
      task("TU", { key: null, parent: "TG1", stands_in_for: { task: "TG1", why: "compensation" } }),
    ],
    events,
    transcripts: { TB: "… hello; … turn; …", TS: shown(["w1 stamped 1;", "w2 pressed 3;"]) },
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
      return { run, id: `msg_${seq}`, seq, type: told, text: `text of ${seq}`, signed: true };
    });
  const stamp = (word: string, id: number, stamp: string | null) => ({
    ...{ run, id: `${run}_${id}`, tool: "stamp", word, text: word, signed: true, stamp },
  });
  // The first attempt was taken, and its answer lost: the call was made again.
  const stamped = [stamp("w1", 28, null), stamp("w1", 28, "w1 stamped 1;"), stamp("w2", 32, "w2 pressed 3;")];
  const had = (fence: number, said: "given back" | "succeeded") => [{ task: "TW", lease: { run, fence }, said }];
  const lives: Life[] = [
    { worker: "w0-1", how: "forced", serves: true, status: 130, worked: had(4, "given back") },
    { worker: "w0-2", how: "stopped", serves: true, status: 0, worked: had(5, "succeeded") },
  ];
  const deed = (fence: number, what: "begun" | "done") => ({ run, task: "TW", fence, what, worker: 7, at: 1 });
  const deeds = [deed(4, "begun"), deed(5, "begun"), deed(5, "done")];
  const header = { heddle_export: 1, run, status: "succeeded", seq: events.length };
  const lines = [
    { snapshot: "s", head: {} },
    { seq: 1, at: 1000, events: events.slice(0, 1) },
    { variable: { name: "list", kind: "shared_list" } },
    { of: "list", entries: [["0", "x;", 1]] },
  ];
  const file = sealed([header, ...lines]);
  const copied = [{ of: run, copy, file, again: sealed([{ ...header, run: copy }, ...lines]) }];
  const row = { ...used, model_calls: 2, tasks: 12, events: events.length };
  const usedRows = [
    { run, at: 1, row: { ...row, events: 3 } },
    { run, at: 2, row },
    { run: gone, at: 2, row: { ...none, model_calls: 0, tasks: 2, events: 3 } },
  ];
  const copyFound = structuredClone({ ...found, run: { ...found.run, id: copy } });
  return structuredClone({
    ...{ calls, seen, followed, received, stamped, deeds, lives, copied, used: usedRows },
    deleted: [{ run: gone, isLive: false, events: events.slice(0, 3) }],
    found: { [run]: found, [copy]: copyFound },
    ...{ tenants, listed: [rowOf(found.run), rowOf(copyFound.run)] },
  } satisfies World);
}

const rowOf = ({ id, name, status, created_at, ended_at, expires_at }: RunView): RunRow => ({
  ...{ id, name, status, created_at, ended_at, expires_at },
});

/** A file's lines, with the end that they have. */
function sealed(values: readonly object[]): string[] {
  const lines = values.map((value) => JSON.stringify(value));
  const digest = lines.reduce((last, line) => createHash("sha256").update(`${last}\n${line}\n`).digest("hex"), "");
  return [...lines, JSON.stringify({ end: true, lines: lines.length, digest })];
}

const callOf = (w: Loose, kind: string): Loose => w.calls.find(({ act }: Call) => act.kind === kind);
const opOf = (w: Loose, name: string, what: string): Loose =>
  w.calls.find(({ act }: Loose) => act.kind === "op" && act.op.arguments.name === name && act.op.arguments.op === what);
const eventsOf = (w: Loose): Loose[] => w.found[run].events;
const eventOf = (w: Loose, type: string): Loose => eventsOf(w).find((event) => event.type === type);
const taskOf = (w: Loose, id: string): Loose => w.found[run].tasks.find((task: TaskView) => task.id === id);
const actOf = (w: Loose, kind: string, key: string): Loose =>
  w.calls
    .flatMap(({ act }: Loose) => (act.kind === kind ? act.tasks : []))
    .find((planned: Planned) => planned.key === key);
/** As of a run that goes on: what is compared then is less. */
const live = (w: Loose): Loose => {
  const [copied] = w.copied;
  copied.file[0] = copied.file[0].replace("succeeded", "active");
  return copied;
};
const variable = (w: Loose, name: string): Loose => w.found[run].variables[name];

/** What is done to the history, and the promise that is found broken by it. */
const doctored: [string, string, (w: Loose) => void][] = [
  ["lost", "a run told is there", (w) => delete w.found[run]],
  ["twice", "a run asked for once is there once", (w) => (w.found.run_9 = { ...w.found[run] })],
  ["wrong", "a repeat gets the first answer", (w) => callOf(w, "create_run").again.push({ id: "run_2" })],
  ["stuck", "every run ends", (w) => (w.found[run].run.status = "active")],
  ["wrong", "a run ends as its tasks did", (w) => (w.found[run].run.status = "failed")],
  ["lost", "a task told is there", (w) => w.found[run].tasks.splice(1, 1)],
  ["lost", "a batch is there whole or not at all", (w) => w.found[run].tasks.splice(1, 1)],
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
  ["twice", "a question is answered once", (w) => w.calls.push({ ...callOf(w, "answer") })],
  [
    "lost",
    "a webhook is told of each event",
    (w) => Object.assign(eventsOf(w)[14], { type: "call_waiting", question: "Q1" }),
  ],
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
  ["lost", "a webhook is told of each event", (w) => (w.received = [])],
  ["wrong", "a message is signed", (w) => (w.received[2].signed = false)],
  ["twice", "an event is told under one id", (w) => w.received.push({ ...w.received[0], id: "msg_other" })],
  ["wrong", "a copy tells nobody", (w) => w.received.push({ ...w.received[0], run: copy })],
  ["wrong", "a webhook tells what is in the log", (w) => (w.received[3].seq = 1)],
  ["wrong", "a webhook tells what is in the log", (w) => (w.received[3].type = "task.failed")],
  ["wrong", "a message is the same at every attempt", (w) => w.received.push({ ...w.received[0], text: "other" })],
  ["twice", "a resume is in the log once", (w) => (eventsOf(w)[10].type = "run_resumed")],
  ["wrong", "a task ends as it was to", (w) => (taskOf(w, "TG3").error.code = "run_ended")],
  ["wrong", "a task ends as it was to", (w) => Object.assign(taskOf(w, "TR"), { state: "cancelled", error: {} })],
  ["wrong", "a task ends as it was to", (w) => (taskOf(w, "TR").result = "somebody else's")],
  ["wrong", "a task ends as it was to", (w) => (taskOf(w, "TS").result = '[{"error": {}}, {}]')],
  ["lost", "a call makes its children once", (w) => (taskOf(w, "TX").parent = "TB")],
  ["twice", "a call makes its children once", (w) => w.found[run].tasks.push(task("TZ", { parent: "TF" }))],
  [
    "twice",
    "a group is decided once",
    (w) => Object.assign(eventOf(w, "task_observed"), { type: "group_decided", name: "trip" }),
  ],
  ["lost", "a group's verdict is in the log", (w) => (eventOf(w, "group_decided").type = "other")],
  ["lost", "a group's verdict is in the log", (w) => (eventOf(w, "group_decided").verdict = "met")],
  [
    "wrong",
    "a group counts its members",
    (w) => (taskOf(w, "TG2").group = { ...taskOf(w, "TG2").group, succeeded: 2 }),
  ],
  ["wrong", "a group counts its members", (w) => (taskOf(w, "TG1").state = "failed")],
  ["lost", "a compensation is carried out", (w) => (taskOf(w, "TG1").stand_in = null)],
  ["lost", "a compensation is carried out", (w) => (taskOf(w, "TU").state = "cancelled")],
  ["lost", "a fallback is carried out", (w) => (actOf(w, "post", "tg1").standIn = "fallback")],
  ["twice", "a compensation is carried out once", (w) => w.found[run].tasks.push({ ...taskOf(w, "TU"), id: "TV" })],
  ["lost", "a budget told is in the log", (w) => (eventOf(w, "limits_changed").tokens = 90)],
  ["wrong", "a refused budget is not in the log", (w) => (eventOf(w, "limits_changed").tokens = 1)],
  [
    "twice",
    "a budget is set once",
    (w) => Object.assign(eventOf(w, "task_observed"), { type: "limits_changed", tokens: 100 }),
  ],
  ["lost", "a run has the budget that was set last", (w) => (w.found[run].run.limits.tokens = 10)],
  ["wrong", "no call reserves what the budget has not", (w) => (eventOf(w, "tokens_reserved").tokens = 96)],
  ["wrong", "nobody fails for want of a budget", (w) => (taskOf(w, "TG2").error.code = "budget_exhausted")],
  ["wrong", "a call is signed", (w) => (w.stamped[0].signed = false)],
  ["twice", "a call has one name", (w) => (w.stamped[1].id = `${run}_29`)],
  ["wrong", "a name is one call's", (w) => (w.stamped[2].id = `${run}_28`)],
  ["wrong", "a call is the same at every attempt", (w) => (w.stamped[1].text = "another")],
  ["lost", "a call that was made is in the log", (w) => (w.stamped[2].id = `${run}_5`)],
  ["twice", "a call is made as often as the log says", (w) => w.stamped.push(w.stamped[2])],
  ["wrong", "a call's result is what its tool said", (w) => (w.stamped[1].stamp = null)],
  ["lost", "a report that was taken is the call's result", (w) => (callOf(w, "stamp").act.stamp = "w2 pressed 4;")],
  ["twice", "one report of a call is taken", (w) => w.calls.push({ ...callOf(w, "stamp") })],
  [
    "twice",
    "a call has one result in the transcript",
    (w) => (w.found[run].transcripts.TS = twiceIn(w.found[run].transcripts.TS)),
  ],
  ["lost", "a call's result is in the transcript", (w) => (w.found[run].transcripts.TS = '{"messages":[]}')],
  ["twice", "a lease is carried out once", (w) => w.deeds.push(w.deeds[0])],
  ["lost", "a lease that was carried out is in the log", (w) => w.deeds.push({ ...w.deeds[0], fence: 6 })],
  [
    ...(["twice", "what is done is done again only where a worker died"] as const),
    (w) => {
      w.deeds.push({ ...w.deeds[2], fence: 4 });
      w.lives[0].how = "stopped";
    },
  ],
  ["lost", "what a worker delivered ended its task", (w) => (w.lives[0].worked[0].said = "succeeded")],
  ["lost", "what a worker gave back is in the log", (w) => (w.lives[1].worked[0].said = "given back")],
  ["lost", "what a worker gave back is in the log", (w) => (eventOf(w, "attempt_ended").why = "lost")],
  ["lost", "what a worker gave back is in the log", (w) => (eventOf(w, "attempt_ended").error.code = "command_failed")],
  ["wrong", "what a worker is told is lost did not end its task", (w) => (w.lives[1].worked[0].said = "lost")],
  ["lost", "what a worker has done is delivered", (w) => (w.lives[1].worked[0].said = "undelivered")],
  ["wrong", "a command that does not fail is no failure", (w) => (w.lives[1].worked[0].said = "failed")],
  ["stuck", "a worker that is stopped says what became of all it had", (w) => (w.lives[1].worked[0].said = null)],
  ["stuck", "a worker that is stopped says what became of all it had", (w) => (w.lives[0].worked[0].said = null)],
  ["wrong", "a task ends as it was to", (w) => (taskOf(w, "TW").result = "done ta by 5")],
  ["wrong", "a result is of the lease that ended its task", (w) => (taskOf(w, "TW").result = "done tw by 4")],
  ["wrong", "what ended a task was done", (w) => w.deeds.pop()],
  ["stuck", "a worker that is stopped ends", (w) => (w.lives[1].how = "stuck")],
  ["wrong", "a worker ends when it is told to, and in good order", (w) => (w.lives[1].status = 1)],
  ["wrong", "a worker ends when it is told to, and in good order", (w) => (w.lives[0].how = "left")],
  ["lost", "what is billed is what was logged", (w) => (w.used[1].row.input_tokens = 4)],
  ["twice", "what is billed is what was logged", (w) => (w.used[1].row.events = 90)],
  ["lost", "what is billed is what was logged", (w) => (w.used = [])],
  ["twice", "what is billed is what was logged", (w) => w.used.push({ ...w.used[1], run: copy })],
  ["lost", "what was billed stays billed", (w) => (w.used[0].row.events = 90)],
  ["wrong", "a file is taken in", (w) => (callOf(w, "import").outcome = { kind: "refused", code: "import_invalid" })],
  ["lost", "a copy told is there", (w) => delete w.found[copy]],
  ["lost", "a file is whole", (w) => w.copied[0].file.splice(2, 1)],
  ["lost", "a file is whole", (w) => (w.copied[0].file[4] = '{"of":"list","entries":[["0","y;",1]]}')],
  ["lost", "a copy has what its file has", (w) => w.copied[0].again.splice(4, 1)],
  ["twice", "a copy has what its file has", (w) => w.copied[0].again.splice(5, 0, "{}")],
  ["lost", "a copy has what its file has", (w) => live(w).again.splice(1, 1)],
  ["lost", "a copy has what its file has", (w) => live(w).again.splice(2, 1)],
  ["lost", "a copy has what its file has", (w) => live(w).again.splice(3, 2)],
  ["twice", "a copy has what its file has", (w) => live(w).again.push('{"of":"list","entries":[["1","x;",2]]}')],
  ["lost", "a file has the log of its run", (w) => (eventsOf(w)[0].at = 999)],
  ["lost", "a run told cancelled is so", (w) => w.calls.push({ ...callOf(w, "pause"), act: { kind: "cancel_run" } })],
  ["wrong", "a run ends as its tasks did", (w) => (w.found[run].run.status = "cancelled")],
  ["lost", "a tenant told is there", (w) => w.tenants.shift()],
  ["twice", "a tenant asked for once is there once", (w) => w.tenants.push({ ...w.tenants[0], id: "ten_3" })],
  ["lost", "a key told is let in", (w) => (w.tenants[0].letIn.key_1 = false)],
  ["lost", "a key told is let in", (w) => (w.tenants[0].letIn.key_4 = false)],
  ["wrong", "a key that has ended is refused", (w) => (w.tenants[0].letIn.key_2 = true)],
  ["wrong", "a key that has ended is refused", (w) => (w.tenants[0].letIn.key_3 = true)],
  ["wrong", "a key that has ended is refused", (w) => (w.tenants[1].letIn.key_5 = true)],
  ["twice", "a key is made once", (w) => (w.tenants[0].keys = 5)],
  ["lost", "a tenant has the rules that were set last", (w) => (w.tenants[0].workers = 2)],
  ["stuck", "a live run is held to its tenant's rules", (w) => (w.tenants[0].runs.run_8.workers = 3)],
  ["lost", "a tenant's run told is there", (w) => (w.tenants[0].runs = {})],
  ["twice", "a tenant's run is there once", (w) => (w.tenants[0].runs.run_9 = w.tenants[0].runs.run_8)],
  ["stuck", "a deleted tenant goes with all that it has", (w) => (w.tenants[1].status = "deleting")],
  ["wrong", "a deleted run is nowhere", (w) => w.listed.push({ id: gone })],
  ["wrong", "a deleted run is nowhere", (w) => (w.found[gone] = w.found[run])],
  ["lost", "a run that is listed can be read", (w) => w.listed.push({ id: "run_9" })],
  ["lost", "a run that can be read is listed", (w) => w.listed.pop()],
  ["wrong", "the list says of a run what it says itself", (w) => (w.listed[1].name = null)],
  ["wrong", "the list says of a run what it says itself", (w) => (w.listed[0].status = "active")],
  ["lost", "what is billed is what was logged", (w) => w.used.splice(2, 1)],
  ["twice", "what is billed is what was logged", (w) => (w.used[2].row.tasks = 3)],
  ["stuck", "every run ends", (w) => (w.found[copy].run.status = "paused")],
  ["wrong", "a task ends as it was to", (w) => (w.found[copy].tasks[1].result = "somebody else's")],
];

const twiceIn = (transcript: string): string => {
  const { messages } = JSON.parse(transcript) as { messages: object[] };
  return JSON.stringify({ messages: [...messages, ...messages] });
};

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

  it("lets a run be cancelled by one who asked for it, with whatever was under way", () => {
    const history = world();
    history.calls.push({ ...callOf(history, "budget"), act: { kind: "cancel_run" } });
    for (const shown of [history.found[run].run, history.listed[0]]) shown.status = "cancelled";
    for (const id of ["TG1", "TU"]) taskOf(history, id).state = "cancelled";
    for (const id of ["TG1", "TG2", "TG3"]) taskOf(history, id).group.succeeded = 0;
    variable(history, "queue").messages.push("(left behind)");
    eventOf(history, "group_decided").verdict = "none";
    history.received = history.received.filter(({ type }: Loose) => type !== "run.succeeded");
    history.received.push({
      ...history.received[0],
      id: "msg_end",
      seq: eventsOf(history).length,
      type: "run.cancelled",
    });
    eventsOf(history).at(-1).status = "cancelled";
    expect(check(history)).toEqual([]);
    // Its copy may be of before or after.
    for (const shown of [history.found[copy].run, history.listed[1]]) shown.status = "cancelled";
    expect(check(history)).toEqual([]);
  });

  it("takes a resume after a raised budget for one by hand where the run was paused by hand", () => {
    const history = world();
    const events = eventsOf(history);
    const resumed = events.findIndex(({ type }) => type === "run_resumed");
    // In the place of what came before: nothing else moves.
    const [paused, before] = [events[resumed - 1], events[resumed - 2]];
    Object.assign(before, { ...paused, seq: before.seq, at: before.at });
    const raised = eventOf(history, "limits_changed");
    Object.assign(paused, { type: "limits_changed", tokens: raised.tokens });
    raised.type = "other";
    const ofResume = () => check(history).filter(({ rule }) => rule === "a resume is in the log once");
    expect(ofResume()).toEqual([]);
    before.reason = "budget";
    expect(ofResume()).toMatchObject([{ sort: "lost", found: 0 }]);
  });

  it("lets a run that was deleted at work have used more than somebody saw of it, and no less", () => {
    const history = world();
    history.deleted[0].isLive = true;
    history.used[2].row.tasks = 9;
    expect(check(history)).toEqual([]);
    history.used[2].row.tasks = 1;
    expect(check(history)).toMatchObject([{ sort: "lost", rule: "what is billed is what was logged" }]);
  });

  it("lets a run that was deleted be gone for the one who created it", () => {
    const history = world();
    const created = callOf(history, "create_run");
    history.calls.push({ ...created, again: [], outcome: { kind: "told", answer: { id: gone } } });
    expect(check(history)).toEqual([]);
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
