/** What became of tenants, their keys and their rules, which are in D1, and of the runs that are held to them, which are not. */

import type { CreatedKey, RotatedKey, Tenant } from "../../src/client/index.ts";
import type { Act, Call, FoundTenant, World } from "../history.ts";
import type { Broken, Violation } from "./violation.ts";

export function tenantRules(world: World): Violation[] {
  const violations: Violation[] = [];
  const named = new Map<string, number>();
  for (const { name } of world.tenants) if (name !== "") named.set(name, (named.get(name) ?? 0) + 1);
  for (const { act, outcome } of world.calls) {
    if (act.kind !== "create_tenant") continue;
    const times = named.get(act.name) ?? 0;
    const about = act.name;
    if (times > 1)
      violations.push(
        of("", { sort: "twice", rule: "a tenant asked for once is there once", about, told: 1, found: times }),
      );
    if (outcome.kind !== "told") continue;
    const { id } = outcome.answer as Tenant;
    const found = world.tenants.find((one) => one.id === id);
    if (!found) violations.push(of(id, { sort: "lost", rule: "a tenant told is there", about, told: id, found: null }));
  }
  for (const tenant of world.tenants) {
    const calls = world.calls.filter(({ act }) => "tenant" in act && act.tenant === tenant.id);
    const deleted = calls.find(({ act }) => act.kind === "delete_tenant")?.outcome.kind;
    const broken = [...keys(calls, tenant, deleted)];
    if (deleted === undefined) broken.push(...rules(calls, tenant), ...runs(calls, tenant));
    if (deleted === "told" && tenant.status !== "deleted")
      broken.push({
        ...{ sort: "stuck", rule: "a deleted tenant goes with all that it has", about: tenant.id },
        ...{ told: "deleting", found: { status: tenant.status, runs: tenant.runsLeft } },
      });
    violations.push(...broken.map((one) => of(tenant.id, one)));
  }
  return violations;
}

const of = (run: string, broken: Broken): Violation => ({ ...broken, run });

const askedOf = (calls: readonly Call[], kind: Act["kind"]): Call[] => calls.filter(({ act }) => act.kind === kind);

/** A key works from when it was told until it is told to have ended, and each is there once. */
function keys(calls: readonly Call[], tenant: FoundTenant, deleted: string | undefined): Broken[] {
  const broken: Broken[] = [];
  const ends = [...askedOf(calls, "revoke_key"), ...askedOf(calls, "rotate_key")];
  const made = [...askedOf(calls, "create_key"), ...askedOf(calls, "rotate_key")];
  for (const { outcome, id: about } of made) {
    if (outcome.kind !== "told") continue;
    const { id } = outcome.answer as CreatedKey | RotatedKey;
    const end = ends.find(({ act }) => "key" in act && act.key === id)?.outcome.kind;
    const isLetIn = tenant.letIn[id];
    if (isLetIn === false && end === undefined && deleted === undefined)
      broken.push({ sort: "lost", rule: "a key told is let in", about, told: id, found: "refused" });
    if (isLetIn === true && (end === "told" || deleted === "told"))
      broken.push({ sort: "wrong", rule: "a key that has ended is refused", about, told: id, found: "let in" });
  }
  const most = made.filter(({ outcome }) => outcome.kind !== "refused").length;
  if (tenant.keys > most)
    broken.push({ sort: "twice", rule: "a key is made once", about: tenant.id, told: most, found: tenant.keys });
  return broken;
}

/** The rules are the last that were set, or one of those whose outcome nobody knows after them; live runs are held to the same. */
function rules(calls: readonly Call[], { id: about, workers, runs }: FoundTenant): Broken[] {
  const broken: Broken[] = [];
  const set = askedOf(calls, "hold").filter(({ outcome }) => outcome.kind !== "refused");
  const last = set.findLastIndex(({ outcome }) => outcome.kind === "told");
  const possible = set.slice(Math.max(0, last)).map(({ act }) => (act.kind === "hold" ? act.workers : null));
  if (last < 0) possible.push(null);
  if (!possible.includes(workers))
    broken.push({
      sort: "lost",
      rule: "a tenant has the rules that were set last",
      about,
      told: possible,
      found: workers,
    });
  for (const [run, { isLive, workers: held }] of Object.entries(runs))
    if (isLive && held !== workers)
      broken.push({
        sort: "stuck",
        rule: "a live run is held to its tenant's rules",
        about: run,
        told: workers,
        found: held,
      });
  return broken;
}

function runs(calls: readonly Call[], tenant: FoundTenant): Broken[] {
  const broken: Broken[] = [];
  const made = askedOf(calls, "let_run").filter(({ outcome }) => outcome.kind !== "refused");
  for (const { outcome, id: about } of made) {
    const id = outcome.kind === "told" ? (outcome.answer as { id: string }).id : undefined;
    if (id !== undefined && !tenant.runs[id])
      broken.push({ sort: "lost", rule: "a tenant's run told is there", about, told: id, found: null });
  }
  const found = Object.keys(tenant.runs);
  if (found.length > made.length)
    broken.push({ sort: "twice", rule: "a tenant's run is there once", about: tenant.id, told: made.length, found });
  return broken;
}
