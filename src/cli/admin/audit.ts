/** `heddle admin audit` */

import type { AuditEntry } from "../../client/replies.ts";
import { exitStatus } from "../exit-status.ts";
import { dateTime, oneLine } from "../plain-text.ts";
import { note, sayJson, sayTable } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";
import { type Acts, allRows, asOperator, asTenant, textOf } from "./shared.ts";

export const auditActs: Acts = {
  list: {
    words: [],
    run: async (given) => {
      const tenant = textOf(given, "tenant");
      const byOperator = given.flags.all === true || tenant !== undefined;
      const door = byOperator ? await asOperator() : await asTenant();
      const query = tenant === undefined ? {} : { tenant };
      const rows = await allRows(
        (page) => door.audit({ ...page, ...query }),
        ({ entries }) => entries,
      );
      if (given.flags.json === true) for (const row of rows) sayJson(row);
      else if (rows.length === 0) note("Nothing was done.");
      else sayTable(columns, rows);
      return exitStatus.ok;
    },
  },
};

const detailText = ({ detail }: AuditEntry): string =>
  Object.entries(detail)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}=${oneLine(typeof value === "string" ? value : JSON.stringify(value))}`)
    .join(" ");

const columns: readonly Column<AuditEntry>[] = [
  { title: "AT", of: ({ created_at }) => dateTime(created_at) },
  { title: "TENANT", of: ({ tenant }) => tenant },
  { title: "BY", of: ({ actor }) => actor },
  { title: "ACT", of: ({ act }) => act },
  { title: "ON", of: ({ target }) => target },
  { title: "DETAIL", of: detailText, least: 12 },
];
