/** Reads what is there of tenants at the end, by the operator's door and with the keys that somebody was told. */

import type { CreatedKey, RulesView, RunView, Tenant, TenantRules } from "../src/client/index.ts";
import { Client, type Surroundings } from "./client.ts";
import { pages, sweptMs } from "./find.ts";
import type { Act, FoundTenant } from "./history.ts";

/** Where the sweep still has to come, it is waited for: it comes once a minute. */
export async function findTenants(around: Surroundings): Promise<FoundTenant[]> {
  const operator = new Client({ ...around, key: "hdl_local_admin" }, "operator");
  const found: FoundTenant[] = [];
  const { calls } = operator.history;
  const listed = await pages<Tenant>(operator, "/admin/tenants", "tenants", "cursor");
  const ids = new Set(listed.filter(({ name }) => calls.some(({ act }) => isOf(act, name))).map(({ id }) => id));
  // The list leaves out what is deleted.
  for (const { act } of calls) if (act.kind === "delete_tenant") ids.add(act.tenant);
  for (const id of ids) found.push(await findTenant(around, operator, id));
  return found;
}

const isOf = (act: Act, name: string): boolean => act.kind === "create_tenant" && act.name === name;

async function findTenant(around: Surroundings, operator: Client, id: string): Promise<FoundTenant> {
  const path = `/admin/tenants/${id}`;
  const view = await caughtUp<Tenant>(operator, path, ({ status }) => status !== "deleting");
  const letIn: Record<string, boolean> = {};
  let client = operator;
  for (const { act, outcome } of operator.history.calls) {
    if (outcome.kind !== "told" || !("tenant" in act) || act.tenant !== id) continue;
    if (act.kind !== "create_key" && act.kind !== "rotate_key") continue;
    const key = outcome.answer as CreatedKey;
    const holder = new Client({ ...around, key: key.key }, key.id);
    letIn[key.id] = (await holder.get("/v1/about")) !== undefined;
    if (letIn[key.id]) client = holder;
  }
  const seen: FoundTenant = {
    ...{ id, name: view?.name ?? "", status: view?.status ?? "", runsLeft: view?.runs_left ?? 0 },
    ...{ letIn, keys: 0, workers: null, runs: {} },
  };
  if (client === operator) return seen;
  const keys = await pages(operator, `${path}/keys`, "keys", "cursor");
  const rules = await caughtUp<TenantRules>(client, "/v1/rules", ({ runs_behind }) => runs_behind === 0);
  const runs: Record<string, { isLive: boolean; workers: number | null }> = {};
  for (const run of await pages<RunView>(client, "/v1/runs", "runs", "cursor")) {
    const held = await client.get<RulesView>(`/v1/runs/${run.id}/rules`);
    const isLive = run.status === "active" || run.status === "paused";
    runs[run.id] = { isLive, workers: workersIn(held?.rules.find(({ from }) => from === "tenant")?.rule) };
  }
  return { ...seen, keys: keys.length, workers: workersIn(rules?.text), runs };
}

const workersIn = (rule: string | undefined): number | null => {
  const found = /at most (\d+) workers/.exec(rule ?? "");
  return found ? Number(found[1]) : null;
};

/** As it is once it is so, or when the sweep has come twice. */
async function caughtUp<View>(client: Client, path: string, isSo: (view: View) => boolean): Promise<View | undefined> {
  const until = Date.now() + sweptMs;
  for (;;) {
    const view = await client.get<View>(path);
    if (!view || isSo(view) || Date.now() > until || client.over) return view;
    await client.pause(500);
  }
}
