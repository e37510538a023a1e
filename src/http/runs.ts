/** Runs: create, list, get, and what is done to a run as a whole. */

import { rawAt } from "../context/json-text.ts";
import { pageQuery } from "../contract/paging.ts";
import { type RemoteTool, toolsWithTexts } from "../contract/remote-tools.ts";
import { runsPage, runView } from "../contract/responses.ts";
import { budgetBody, cancelBody, createRunBody, finishRunBody } from "../contract/run-requests.ts";
import { taskWithTexts } from "../contract/task-texts.ts";
import { refusedAddress } from "../contract/tool-address.ts";
import { Fault } from "../errors/fault.ts";
import { type RunId, runIdOf } from "../ids.ts";
import type { CreateRunInput, ForkedContext } from "../objects/rpc.ts";
import { deleteRun, insertRun, listRuns } from "../storage/d1/run-index.ts";
import { pageOf, positionOf } from "./cursor.ts";
import type { HttpEnv } from "./env.ts";
import { ask, gateObject, runObject } from "./objects.ts";
import { contextInput } from "./raw-parts.ts";
import { keyRoute } from "./route.ts";
import { requireRules } from "./rules.ts";
import { sha256 } from "./secrets.ts";

const run = { status: 200, schema: runView } as const;
const scopes = ["runs"] as const;

/** Derived from the Idempotency-Key where there is one: the repeat then reaches the same object, which knows its answer. */
async function newRunId(tenant: string, idempotencyKey: string | undefined): Promise<RunId> {
  if (idempotencyKey === undefined) return runIdOf(crypto.getRandomValues(new Uint8Array(20)));
  return runIdOf(await sha256(`heddle run\n${tenant}\n${idempotencyKey}`));
}

export const runRoutes = [
  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs",
      summary: "Create a run",
      body: createRunBody,
      answer: { status: 201, schema: runView },
      problems: [
        "instructions_too_large",
        "context_too_large",
        "tools_too_large",
        "not_available",
        "rules_invalid",
        "no_provider",
        "no_price",
        "pool_not_allowed",
        "open_calls",
        "unknown_snapshot",
        "unknown_task",
        "unknown_turn",
      ],
    },
    async ({ env, tenant, body, text, idem }) => {
      const given = body.tools && toolsWithTexts(body.tools, rawAt(text, ["tools"])!);
      requireCallable(given ?? [], env);
      const rules = body.rules === undefined ? undefined : requireRules(body.rules).rules;
      const id = await newRunId(tenant, idem?.key);
      const before = body.from && idem && (await ask(runObject(env, tenant, id).createdBefore(idem)));
      if (before) return before;
      const source = body.from && (await forkSource(env, tenant, body.from));
      const tools = given ?? source?.tools;
      const input: CreateRunInput = {
        tenant,
        run: id,
        ...(body.name !== undefined && { name: body.name }),
        context: source ? { ...source.head, messages: [] } : contextInput(body.context, rawAt(text, ["context"])),
        ...(source && body.from && { steps: source.steps, from: body.from.run }),
        limits: body.limits ?? {},
        ...(body.policy?.on_failure === "cancel" && { failFast: true }),
        ...(tools && tools.length > 0 && { tools }),
        ...(rules && { rules: { rules, text: body.rules! } }),
        ...(body.root && { root: taskWithTexts(body.root, rawAt(text, ["root"])!) }),
      };
      // The row comes first: an object without a row would never be swept. A row without an object is removed by the sweep.
      const row = { tenant, id, name: body.name ?? null, createdAt: Date.now() };
      const inserted = await insertRun(env.DB, row);
      try {
        return await ask(runObject(env, tenant, id).createRun(input, idem));
      } catch (error) {
        const refused = error instanceof Fault && !["overloaded", "idempotency_mismatch"].includes(error.data.code);
        if (inserted && refused) await deleteRun(env.DB, row);
        throw error;
      }
    },
  ),

  keyRoute(
    scopes,
    {
      method: "GET",
      path: "/v1/runs",
      summary: "List runs, oldest first",
      query: pageQuery,
      answer: { status: 200, schema: runsPage },
    },
    async ({ env, tenant, query }) => {
      const after = query.cursor === undefined ? undefined : positionOf(query.cursor);
      const { rows, next_cursor } = pageOf(await listRuns(env.DB, tenant, query.limit + 1, after), query.limit);
      return { runs: rows, next_cursor };
    },
  ),

  keyRoute(
    scopes,
    { method: "GET", path: "/v1/runs/:run", summary: "A run's state", answer: run },
    ({ env, tenant, params }) => ask(runObject(env, tenant, params.run).run()),
  ),

  keyRoute(
    scopes,
    {
      method: "DELETE",
      path: "/v1/runs/:run",
      summary: "Delete a run with everything it has",
      answer: { status: 204 },
    },
    async ({ env, tenant, params }) => {
      const object = runObject(env, tenant, params.run);
      try {
        await ask(object.deleteRun());
      } catch (error) {
        // An earlier attempt may have deleted the object and not the row.
        const gone = error instanceof Fault && error.data.code === "not_found";
        if (gone && (await deleteRun(env.DB, { tenant, id: params.run }))) return null;
        throw error;
      }
      await gateObject(env, tenant).forget(params.run);
      await deleteRun(env.DB, { tenant, id: params.run });
      return null;
    },
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/pause",
      summary: "Start no more tasks",
      answer: run,
      problems: ["run_ended"],
    },
    ({ env, tenant, params, idem }) => ask(runObject(env, tenant, params.run).pause(idem)),
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/resume",
      summary: "Go on after a pause",
      answer: run,
      problems: ["run_ended", "run_not_paused"],
    },
    ({ env, tenant, params, idem }) => ask(runObject(env, tenant, params.run).resume(idem)),
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/cancel",
      summary: "Cancel a run and all of its tasks",
      body: cancelBody,
      answer: run,
      problems: ["run_ended"],
    },
    ({ env, tenant, params, body, idem }) => ask(runObject(env, tenant, params.run).cancelRun(body.reason, idem)),
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/finish",
      summary: "End a run that has no root",
      body: finishRunBody,
      answer: run,
      problems: ["run_ended", "tasks_live"],
    },
    ({ env, tenant, params, body, idem }) =>
      ask(runObject(env, tenant, params.run).finishRun({ cancel: body.cancel }, idem)),
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/budget",
      summary: "Set new totals of tokens and dollars",
      body: budgetBody,
      answer: run,
      problems: ["run_ended", "below_spent", "no_price", "bound_by_rules"],
    },
    ({ env, tenant, params, body, idem }) => ask(runObject(env, tenant, params.run).budget(body, idem)),
  ),
];

/** The context of another run of the tenant, as it is now. @throws Fault that names the field of `from` */
async function forkSource(
  env: HttpEnv,
  tenant: string,
  { run: id, ...place }: { run: string; snapshot?: string; task?: string; turn?: number },
): Promise<ForkedContext> {
  try {
    return await ask(runObject(env, tenant, id).contextAt(place));
  } catch (error) {
    if (!(error instanceof Fault) || error.data.code !== "not_found") throw error;
    const message = "there is no such run, or it was deleted";
    throw new Fault("not_found", `from.run: ${message}`, [{ path: "from.run", message }]);
  }
}

/** @throws Fault validation_failed for urls that this deployment does not call */
function requireCallable(tools: readonly RemoteTool[], { HEDDLE_BOOT }: HttpEnv): void {
  const errors = tools.flatMap(({ url }, i) => {
    const message = url === undefined ? undefined : refusedAddress(url, { local: HEDDLE_BOOT !== undefined });
    return message === undefined ? [] : [{ path: `tools[${i}].url`, message }];
  });
  if (errors.length > 0) throw new Fault("validation_failed", undefined, errors);
}
