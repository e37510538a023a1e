/** `heddle admin audit` */

import type { AuditEntry } from "../../client/replies.ts";
import { allRows } from "../all-rows.ts";
import { exitStatus } from "../exit-status.ts";
import { dateTime, oneLine } from "../plain-text.ts";
import { sayRows } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";
import { type Acts, asOperator, asTenant, complain, textOf } from "./shared.ts";

export const auditActs: Acts = {
  list: {
    words: [],
    flags: ["tenant", "all"],
    run: async (given) => {
      const tenant = textOf(given, "tenant");
      if (tenant !== undefined && given.flags.all === true)
        throw complain("--tenant is one tenant and --all is all of them; leave one of the two out.");
      const byOperator = given.flags.all === true || tenant !== undefined;
      const door = byOperator ? await asOperator() : await asTenant();
      const rows = await allRows(
        (page) => door.audit({ ...page, ...(tenant !== undefined && { tenant }) }),
        ({ entries }) => entries,
      );
      sayRows(given.flags, rows, columnsOf({ allTenants: given.flags.all === true }), "Nothing was done.");
      return exitStatus.ok;
    },
  },
};

const detailText = ({ detail }: AuditEntry): string =>
  Object.entries(detail)
    .map(([name, value]) => [name, value === null ? "" : oneLine(valueText(name, value))] as const)
    .filter(([, text]) => text !== "")
    .map(([name, text]) => `${name}=${text}`)
    .join(" ");

function valueText(name: string, value: unknown): string {
  if (typeof value === "number" && /(^until|_at)$/.test(name)) return dateTime(value);
  if (Array.isArray(value)) return value.join(",");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Ids leave a terminal little room: a tenant is named where there are several, and what was done to itself once. */
const columnsOf = ({ allTenants }: { allTenants: boolean }): readonly Column<AuditEntry>[] => [
  { title: "AT", of: ({ created_at }) => dateTime(created_at), least: 10 },
  { title: "TENANT", of: ({ tenant }) => (allTenants ? tenant : null) },
  { title: "BY", of: ({ actor }) => actor },
  { title: "ACT", of: ({ act }) => act },
  { title: "ON", of: ({ tenant, target }) => (target === tenant ? null : target) },
  { title: "DETAIL", of: detailText, least: 12 },
];
