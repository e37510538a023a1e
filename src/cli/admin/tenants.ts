/** `heddle admin tenants` */

import type { HeddleAdmin } from "../../client/admin.ts";
import type { Tenant } from "../../client/replies.ts";
import { sleep } from "../../client/sleep.ts";
import { tenantDeletionPatienceMs, tenantDeletionPauseMs } from "../../limits.ts";
import { allRows } from "../all-rows.ts";
import { exitStatus } from "../exit-status.ts";
import { dateTime, oneLine } from "../plain-text.ts";
import { type Asking, answerTo, requireYesOrTerminal } from "../screen/ask.ts";
import { note, say, sayFields, sayJson, sayRows } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";
import { didYouMean } from "../usage.ts";
import { type Acts, asOperator, complain } from "./shared.ts";

export const tenantActs: Acts = {
  list: {
    words: [],
    run: async ({ flags }) => {
      const admin = await asOperator();
      const rows = await allRows(
        (query) => admin.listTenants(query),
        ({ tenants }) => tenants,
      );
      sayRows(flags, rows, columns, "There are no tenants.");
      return exitStatus.ok;
    },
  },
  create: {
    words: ["NAME"],
    run: async ({ flags }, name) => {
      const tenant = await (await asOperator()).createTenant(name!);
      if (flags.json === true) sayJson(tenant);
      else say(tenant.id);
      return exitStatus.ok;
    },
  },
  show: {
    words: ["TENANT"],
    run: async ({ flags }, id) => {
      const tenant = await (await asOperator()).tenant(id!);
      if (flags.json === true) sayJson(tenant);
      else sayTenant(tenant);
      return exitStatus.ok;
    },
  },
  quotas: {
    words: ["TENANT"],
    flags: ["set"],
    run: async ({ flags }, id) => {
      const admin = await asOperator();
      const asked = flags.set as string[] | undefined;
      const tenant = asked ? await admin.setQuotas(id!, readQuotas(asked)) : await admin.tenant(id!);
      if (flags.json === true) sayJson(tenant.quotas);
      else say(quotasText(tenant) || "There are no quotas.");
      return exitStatus.ok;
    },
  },
  delete: {
    words: ["TENANT"],
    flags: ["yes"],
    run: async ({ flags }, id) => {
      requireYesOrTerminal(flags, "admin");
      const admin = await asOperator();
      const tenant = await admin.tenant(id!);
      if (flags.yes !== true && !(await agreed(tenant))) {
        note("Nothing was deleted.");
        return exitStatus.failed;
      }
      const last = await deleteWhole(admin, tenant.id);
      if (flags.json === true) sayJson(last);
      else if (last.status === "deleted") say(`${last.id} is deleted.`);
      else
        note(
          `${last.id} is out of use, and ${runsText(last)} of it are not deleted yet. Heddle carries on by itself: heddle admin tenants show ${last.id}`,
        );
      return last.status === "deleted" ? exitStatus.ok : exitStatus.failed;
    },
  },
};

const quotaNames: readonly (keyof Tenant["quotas"])[] = [
  ...(["runs", "seats", "total_seats", "tasks"] as const),
  ...(["tokens_per_day", "storage_bytes", "requests_per_second"] as const),
];

/** `runs=100`, one a flag; `none` alone for no quotas. Which there are its server knows; slips are told of before it is asked. */
function readQuotas(texts: readonly string[]): Tenant["quotas"] {
  if (texts.length === 1 && texts[0] === "none") return {};
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, count] = /^([a-z_]+)=(\d{1,15})$/.exec(text) ?? [];
      if (name === undefined)
        throw complain(`--set is "${text}"; it must be a quota and a number, as runs=100, or none.`);
      const meant = (quotaNames as readonly string[]).includes(name) ? "" : didYouMean(name, quotaNames);
      if (meant !== "") throw complain(`There is no quota "${name}".${meant}`);
      return [name, Number(count)];
    }),
  );
}

const quotasText = ({ quotas }: Tenant): string =>
  Object.entries(quotas)
    .map(([name, count]) => `${name}=${count}`)
    .join(" ");

/** Whether somebody types its id. */
export async function agreed({ id, name }: Pick<Tenant, "id" | "name">, asking?: Asking): Promise<boolean> {
  const question = `Delete the tenant ${id} "${oneLine(name)}" with all of its runs, keys and credentials for good? Type its id: `;
  return (await answerTo(question, asking)) === id;
}

/** Until it is done, or has made no progress for a while: then something is away that the server waits for better than we. */
async function deleteWhole(admin: HeddleAdmin, id: string): Promise<Tenant> {
  let left = Number.POSITIVE_INFINITY;
  for (let progressAt = Date.now(); ; ) {
    const tenant = await admin.deleteTenant(id);
    const { runs_left = 0 } = tenant;
    if (tenant.status === "deleted") return tenant;
    if (runs_left < left) progressAt = Date.now();
    if (Date.now() - progressAt > tenantDeletionPatienceMs) return tenant;
    left = runs_left;
    note(`${runsText(tenant)} left …`);
    await sleep(tenantDeletionPauseMs);
  }
}

const runsText = ({ runs_left = 0 }: Tenant): string => `${runs_left} ${runs_left === 1 ? "run" : "runs"}`;

function sayTenant(tenant: Tenant): void {
  say(`Tenant ${tenant.id}${tenant.name === "" ? "" : ` "${oneLine(tenant.name)}"`}: ${tenant.status}`);
  sayFields({
    quotas: quotasText(tenant),
    created: dateTime(tenant.created_at),
    "out of use": tenant.deleting_at && dateTime(tenant.deleting_at),
    deleted: tenant.deleted_at && dateTime(tenant.deleted_at),
    "left to delete": tenant.status === "deleting" ? runsText(tenant) : "",
  });
}

const columns: readonly Column<Tenant>[] = [
  { title: "TENANT", of: ({ id }) => id },
  { title: "NAME", of: ({ name }) => name, least: 8 },
  { title: "STATUS", of: ({ status }) => status },
  { title: "CREATED", of: ({ created_at }) => dateTime(created_at), least: 10 },
];
