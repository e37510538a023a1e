/** Runs: create, list, get, and what is done to a run as a whole. */

import { stripReasoning } from "../context/fork.ts";
import { rawAt } from "../context/json-text.ts";
import type { Quotas } from "../contract/admin-requests.ts";
import { isMcpServer } from "../contract/mcp-servers.ts";
import { runsPage, runView } from "../contract/responses.ts";
import {
  budgetBody,
  cancelBody,
  createRunBody,
  finishRunBody,
  retainBody,
  runsQuery,
} from "../contract/run-requests.ts";
import { taskWithTexts } from "../contract/task-texts.ts";
import { Fault } from "../errors/fault.ts";
import { runTasksDefault, runWorkersDefault } from "../limits.ts";
import type { CreateRunInput, ForkedContext, LimitsInput } from "../objects/rpc.ts";
import { deleteRun, insertRun, listRuns } from "../storage/d1/run-index.ts";
import { pricesOf } from "../storage/d1/tenants.ts";
import { tenantRulesOf } from "../tenant-rules.ts";
import { afterRow, pageOf, positionOf } from "./cursor.ts";
import type { HttpEnv } from "./env.ts";
import { declaredTools } from "./mcp-servers.ts";
import { ask, runObject } from "./objects.ts";
import { contextInput } from "./raw-parts.ts";
import { keyRoute } from "./route.ts";
import { requireRules } from "./rules.ts";
import { runCredential } from "./run-credential.ts";
import { newRunId } from "./run-id.ts";
import { webhookInput } from "./webhooks.ts";

const run = { status: 200, schema: runView } as const;
const scopes = ["runs"] as const;

export const runRoutes = [
  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs",
      stores: "new_run",
      summary: "Create a run",
      body: createRunBody,
      answer: { status: 201, schema: runView },
      problems: [
        // The run of `from`, or its task.
        "not_found",
        "instructions_too_large",
        "context_too_large",
        "tools_too_large",
        "mcp_server_failed",
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
    async ({ request, env, tenant, key, quotas, body, text, idem }) => {
      const rules = body.rules === undefined ? undefined : requireRules(body.rules).rules;
      const webhook = body.webhook && webhookInput(env, body.webhook, "webhook.");
      const id = await newRunId(tenant, idem?.key);
      const names = body.tools?.some(isMcpServer) ?? false;
      const depends = body.from !== undefined || typeof body.credential === "string" || names;
      const before = depends && idem && (await ask(runObject(env, tenant, id).createdBefore(idem)));
      if (before) return before;
      const given =
        body.tools && (await declaredTools(env, tenant, body.tools, rawAt(text, ["tools"])!, request.signal));
      const source = body.from && (await forkSource(env, tenant, body.from));
      const tools = given ?? source?.tools;
      const context = source ? { ...source.head, messages: [] } : contextInput(body.context, rawAt(text, ["context"]));
      const credential = await runCredential(env.DB, tenant, context.format, body.credential, source);
      const relocated = source !== undefined && source.credential !== credential?.name;
      const bounded = underQuotas(body.limits ?? {}, quotas);
      const notes = [
        ...(relocated ? [relocatedNote] : []),
        ...(source?.relocated ? [otherModelNote] : []),
        ...bounded.notes,
      ];
      // They are read before the run's row is there: a change from now on finds a row that is behind.
      const [tenantRules, prices] = await Promise.all([tenantRulesOf(env.DB, tenant), pricesOf(env.DB, tenant)]);
      const input: CreateRunInput = {
        tenant,
        run: id,
        key,
        ...(body.name !== undefined && { name: body.name }),
        context,
        ...(source && body.from && { steps: relocated ? withoutReasoning(source) : source.steps, from: body.from.run }),
        ...(credential && { credential }),
        ...(notes.length > 0 && { notes }),
        limits: bounded.limits,
        redact: body.redact ?? source?.redact ?? false,
        ...(body.retention_days !== undefined && { retentionDays: body.retention_days }),
        ...(body.policy?.on_failure === "cancel" && { failFast: true }),
        ...(tools && tools.length > 0 && { tools }),
        ...(rules && { rules: { rules, text: body.rules! } }),
        ...(tenantRules.version > 0 && { tenantRules }),
        ...(prices !== null && { prices }),
        ...(webhook && { webhook }),
        ...(body.root && { root: taskWithTexts(body.root, rawAt(text, ["root"])!) }),
      };
      // The row comes first: an object without a row would never be swept. A row without an object is removed by the sweep.
      const { version: rulesVersion } = tenantRules;
      const row = { tenant, id, name: body.name ?? null, createdAt: Date.now(), rulesVersion };
      const inserted = await insertRun(env.DB, row, quotas.runs);
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
      summary: "List runs, oldest first, or newest first",
      query: runsQuery,
      answer: { status: 200, schema: runsPage },
    },
    async ({ env, tenant, query }) => {
      const after = positionOf(query.cursor);
      const { order, status, name, from, to, limit } = query;
      const which = {
        newestFirst: order === "desc",
        ...(status !== undefined && { status }),
        ...(name !== undefined && { name }),
        ...(from !== undefined && { from }),
        ...(to !== undefined && { to }),
      };
      const { rows, next_cursor } = pageOf(await listRuns(env.DB, tenant, limit + 1, after, which), limit, afterRow);
      return { runs: rows, next_cursor };
    },
  ),

  keyRoute(scopes, { method: "GET", path: "/v1/runs/:run", summary: "A run's state", answer: run }, ({ theRun }) =>
    ask(theRun().run()),
  ),

  keyRoute(
    scopes,
    {
      method: "DELETE",
      path: "/v1/runs/:run",
      summary: "Delete a run with everything it has",
      answer: { status: 204 },
    },
    async ({ theRun, env, tenant, params }) => {
      const object = theRun();
      try {
        await ask(object.deleteRun());
      } catch (error) {
        // An earlier attempt may have deleted the object and not the row.
        const gone = error instanceof Fault && error.data.code === "not_found";
        if (gone && (await deleteRun(env.DB, { tenant, id: params.run }))) return null;
        throw error;
      }
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
    ({ theRun, idem }) => ask(theRun().pause(idem)),
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
    ({ theRun, idem }) => ask(theRun().resume(idem)),
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
    ({ theRun, body, idem }) => ask(theRun().cancelRun(body.reason, idem)),
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
    ({ theRun, body, idem }) => ask(theRun().finishRun({ cancel: body.cancel }, idem)),
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
    ({ theRun, body, idem }) => ask(theRun().budget(body, idem)),
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/retain",
      summary: "Say how long the run is kept after its end",
      body: retainBody,
      answer: run,
    },
    ({ theRun, body, idem }) => ask(theRun().retainRun(body.days, idem)),
  ),
];

/** A relocated fork (DESIGN §5): a vendor takes back its reasoning from the account alone that it gave it to. */
const withoutReasoning = ({ head, steps }: ForkedContext) =>
  steps.map((step) => step.map((message) => stripReasoning(head.format, message)));
const relocatedNote =
  "It uses another credential than the run that it began with: reasoning blocks are left out and the cache is cold.";
const otherModelNote =
  "Another model than the context's has a part in what it begins with: that one's reasoning blocks are left out and the cache is cold.";

/** Limits that a quota of the tenant's is below are the quota's; where one was asked for, a note says so. */
function underQuotas(limits: LimitsInput, { seats, tasks }: Quotas): { limits: LimitsInput; notes: string[] } {
  const notes: string[] = [];
  const bounded = (name: "workers" | "tasks", fallback: number, quota: number | undefined, of: string) => {
    const asked = limits[name] ?? fallback;
    if (quota === undefined || asked <= quota) return {};
    if (limits[name] !== undefined)
      notes.push(`limits.${name} is ${quota}, and not ${asked}: the tenant's quota of ${of}.`);
    return { [name]: quota };
  };
  const workers = bounded("workers", runWorkersDefault, seats, "seats");
  return { limits: { ...limits, ...workers, ...bounded("tasks", runTasksDefault, tasks, "tasks") }, notes };
}

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
