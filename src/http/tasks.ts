/** Tasks of a run, and waiting for them. */

import { RawJson, rawAt } from "../context/json-text.ts";
import { pageQuery } from "../contract/paging.ts";
import {
  contextView,
  createdTasks,
  messageSent,
  tasksPage,
  taskView,
  turnsPage,
  waitView,
} from "../contract/responses.ts";
import { cancelBody } from "../contract/run-requests.ts";
import type { TaskView, WaitView } from "../contract/shapes.ts";
import { createTasksBody, messageBody, retryBody, tasksQuery, waitBody } from "../contract/task-requests.ts";
import { tasksWithTexts } from "../contract/task-texts.ts";
import { fitsUtf8 } from "../contract/utf8.ts";
import { Fault } from "../errors/fault.ts";
import { messageBytesMax } from "../limits.ts";
import type { RunSchedulerRpc, TasksInput, TasksPage } from "../objects/rpc.ts";
import { streamOf } from "./live-events.ts";
import { ask } from "./objects.ts";
import { withinQuotaOfRuns } from "./reopening.ts";
import { keyRoute } from "./route.ts";

const task = { status: 200, schema: taskView } as const;
const scopes = ["runs"] as const;

export const taskRoutes = [
  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/tasks",
      stores: "in_run",
      summary: "Create tasks, all or none",
      body: createTasksBody,
      answer: { status: 201, schema: createdTasks },
      problems: [
        "instructions_too_large",
        "context_too_large",
        "no_price",
        "unknown_task",
        "unknown_snapshot",
        "duplicate_key",
        "dependency_cycle",
        "limit_tasks",
        "limit_depth",
        "pool_not_allowed",
        "open_calls",
        "run_ended",
      ],
    },
    ({ theRun, body, text, idem }) =>
      ask(
        theRun().createTasks(
          {
            tasks: tasksWithTexts(body.tasks, text),
            groups: body.groups ?? {},
            ...(body.from !== undefined && { from: body.from }),
          },
          idem,
        ),
      ),
  ),

  keyRoute(
    scopes,
    {
      method: "GET",
      path: "/v1/runs/:run/tasks",
      summary: "List tasks, oldest first",
      query: tasksQuery,
      answer: { status: 200, schema: tasksPage },
    },
    async ({ theRun, query }) => {
      const { rows, nextCursor } = await listTasks(theRun(), query);
      return { tasks: rows, next_cursor: nextCursor };
    },
  ),

  keyRoute(
    scopes,
    { method: "GET", path: "/v1/runs/:run/tasks/:task", summary: "A task", answer: task },
    ({ theRun, params }) => ask(theRun().task(params.task)),
  ),

  keyRoute(
    scopes,
    {
      method: "GET",
      path: "/v1/runs/:run/tasks/:task/context",
      summary: "A task's whole transcript",
      answer: { status: 200, schema: contextView },
    },
    async ({ theRun, params }) => new RawJson((await ask(theRun().taskContext(params.task))).contextText),
  ),

  keyRoute(
    scopes,
    {
      method: "GET",
      path: "/v1/runs/:run/tasks/:task/turns",
      summary: "The turns of a task's present generation, oldest first",
      query: pageQuery,
      answer: { status: 200, schema: turnsPage },
    },
    async ({ theRun, params, query }) => {
      const { rows, nextCursor } = await ask(theRun().turns(params.task, query));
      return { turns: rows, next_cursor: nextCursor };
    },
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/tasks/:task/cancel",
      summary: "Cancel a task and everything under it",
      body: cancelBody,
      answer: task,
      problems: ["run_ended"],
    },
    ({ theRun, params, body, idem }) => ask(theRun().cancelTask(params.task, body.reason, idem)),
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/tasks/:task/messages",
      summary: "Send a message to a task: its next turn shows it",
      body: messageBody,
      answer: { status: 202, schema: messageSent },
      problems: ["task_ended", "run_ended", "message_too_large", "context_too_large", "too_many_messages"],
    },
    ({ theRun, params, text, idem }) => {
      const content = rawAt(text, ["content"])!;
      if (!fitsUtf8(content, messageBytesMax))
        throw new Fault("message_too_large", undefined, [
          { path: "content", message: `at most ${messageBytesMax} bytes` },
        ]);
      return ask(theRun().sendMessage(params.task, content, idem));
    },
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/tasks/:task/retry",
      summary: "Begin a new generation of an ended task, from its start or after one of its turns",
      body: retryBody,
      answer: task,
      problems: ["task_not_ended", "stands_in", "final_turn", "unknown_turn", "dependency_cycle", "limit_tasks"],
    },
    ({ env, tenant, quotas, params, body, idem }) =>
      withinQuotaOfRuns({ env, tenant, run: params.run, quota: quotas.runs }, (object, full) =>
        ask(object.retryTask(params.task, body.from_turn, idem, full)),
      ),
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/wait",
      anew: true,
      summary: "Wait for tasks, or for all of the run's",
      body: waitBody,
      answer: { status: 200, schema: waitView },
      problems: ["unknown_task"],
    },
    async ({ theRun, body: { tasks: names, mode, timeout_ms: timeoutMs } }) => {
      const object = theRun();
      if (!names) return ask(object.wait({ mode, timeoutMs }));
      const first = await ask(object.wait({ tasks: names, mode, timeoutMs, paged: true }));
      const { tasks = [], ...how } = first;
      if (tasks.length === names.length) return first;
      const rest = (from: number) => ask(object.wait({ tasks: names.slice(from), mode, timeoutMs: 0, paged: true }));
      return new Response(streamOf(waitPieces(how, tasks, names.length, rest)), {
        headers: { "content-type": "application/json" },
      });
    },
  ),
];

/**
 * While a version is deployed, an object of the one before may answer, and passes over what it does not know: whoever cancels the tasks of a
 * label would cancel all. @throws Fault overloaded: in a moment the run has moved over, too
 */
export async function listTasks(object: Pick<RunSchedulerRpc, "tasks">, query: TasksInput): Promise<TasksPage> {
  const page = await ask(object.tasks(query));
  const { limit: _, cursor: __, state: ___, ...newer } = query;
  const names = Object.keys(newer);
  if (page.isFiltered || names.length === 0) return page;
  const detail = `The run is still served by the version before, which does not know ${names.join(", ")} of this list.`;
  throw new Fault("overloaded", detail);
}

/** The answer to a wait whose tasks do not fit one call of the object: a page of them at a time, since an isolate can't hold them all. */
export async function* waitPieces(
  how: Omit<WaitView, "tasks">,
  first: readonly TaskView[],
  count: number,
  rest: (from: number) => Promise<WaitView>,
): AsyncGenerator<string, void, void> {
  yield `${JSON.stringify(how).slice(0, -1)},"tasks":[`;
  let told = 0;
  for (let tasks = first; ; tasks = (await rest(told)).tasks!) {
    for (const one of tasks) yield `${told++ === 0 ? "" : ","}${JSON.stringify(one)}`;
    if (told >= count) break;
  }
  yield "]}";
}
