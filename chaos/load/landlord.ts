/**
 * The operator, and tenants that come and go: each gets keys, rules and a run at work. A key is revoked, another rotated, and every second
 * tenant, the first one too, is deleted with all that it has.
 */

import type { CreatedKey, RunView, Tenant } from "../../src/client/index.ts";
import { Client, type Surroundings } from "../client.ts";
import { plays } from "./script.ts";

export async function landlord(around: Surroundings, name: string): Promise<void> {
  const operator = new Client({ ...around, key: "hdl_local_admin" }, name);
  for (let n = 1; !operator.stopping; n++) await lodge(around, operator, `${name}-${n}`, n % 2 === 1);
}

async function lodge(around: Surroundings, operator: Client, name: string, isDeleted: boolean): Promise<void> {
  const post = <Answer>(act: Parameters<Client["ask"]>[1], path: string, body: object = {}) =>
    told<Answer>(operator.ask("", act, { method: "POST", path, body }));
  const created = await post<Tenant>({ kind: "create_tenant", name }, "/admin/tenants", { name });
  if (!created) return;
  const { id: tenant } = created;
  const path = `/admin/tenants/${tenant}`;
  const scopes = ["runs", "tenant_admin"];
  const key = (of: string) =>
    post<CreatedKey>({ kind: "create_key", tenant, name: of }, `${path}/keys`, { name: of, scopes });
  const [kept, rotated, revoked] = [await key("kept"), await key("rotated"), await key("revoked")];
  if (!kept || !rotated || !revoked) return;
  const lodger = new Client({ ...around, key: kept.key }, `${name}-l`);
  await work(lodger, tenant, name);
  await post({ kind: "rotate_key", tenant, key: rotated.id }, `${path}/keys/${rotated.id}/rotate`, { overlap_ms: 0 });
  await operator.ask(...(["", { kind: "revoke_key", tenant, key: revoked.id }] as const), {
    method: "DELETE",
    path: `${path}/keys/${revoked.id}`,
  });
  await hold(lodger, tenant);
  if (isDeleted) await operator.ask("", { kind: "delete_tenant", tenant }, { method: "DELETE", path });
  await operator.pause(200, 2000);
}

/** A run whose tasks outlast some of the deaths. */
async function work(lodger: Client, tenant: string, name: string): Promise<void> {
  const act = { kind: "let_run", tenant } as const;
  const run = await told<RunView>(lodger.ask("", act, { method: "POST", path: "/v1/runs", body: { name } }));
  if (!run) return;
  const tasks = [500, 5000, 30_000].map((latency_ms) => ({ instructions: plays([{ latency_ms, text: "lodged" }]) }));
  await lodger.once({ method: "POST", path: `/v1/runs/${run.id}/tasks`, body: { tasks } });
}

/** Rules one after another, each with a number of its own. */
async function hold(lodger: Client, tenant: string): Promise<void> {
  for (let workers = 2, last = lodger.random.int(3, 8); workers < last && !lodger.over; workers++) {
    const body = { rules: `- at most ${workers} workers` };
    await lodger.ask("", { kind: "hold", tenant, workers }, { method: "PUT", path: "/v1/rules", body });
    await lodger.pause(0, 600);
  }
}

async function told<Answer>(asked: ReturnType<Client["ask"]>): Promise<Answer | undefined> {
  const outcome = await asked;
  return outcome.kind === "told" ? (outcome.answer as Answer) : undefined;
}
