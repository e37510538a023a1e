/** `heddle admin prices`: what models cost the tenant of HEDDLE_API_KEY, or by the operator the one that --tenant names. */

import type { ModelPrice } from "../../client/replies.ts";
import type { PriceList } from "../../client/requests.ts";
import type { Given } from "../command.ts";
import { exitStatus } from "../exit-status.ts";
import { parseInput, readInput } from "../json-input.ts";
import { note, say, sayJson, sayTable } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";
import { type Acts, asOperator, asTenant, complain, textOf } from "./shared.ts";

type Row = ModelPrice & { readonly model: string; readonly from?: string };

export const pricesActs: Acts = {
  list: {
    words: [],
    flags: ["tenant"],
    run: async (given) => {
      const tenant = textOf(given, "tenant");
      const answer = tenant === undefined ? await (await asTenant()).prices() : await ofTenant(tenant);
      const rows = Object.entries(answer.prices).map(([model, price]): Row => ({ model, ...price }));
      if (given.flags.json === true) sayJson(answer);
      else if (rows.length === 0)
        note("The tenant has no prices of its own: its runs are counted at the deployment's.");
      else sayTable(columns(tenant === undefined), rows);
      return exitStatus.ok;
    },
  },
  set: {
    words: ["FILE"],
    flags: ["tenant"],
    run: async (given, path) => {
      const tenant = tenantOf(given);
      const list = parseInput(readInput(path!), path === "-" ? "stdin" : path!) as PriceList;
      const set = await (await asOperator()).setTenantPrices(tenant, list);
      const count = Object.keys(set.prices).length;
      if (given.flags.json === true) sayJson(set);
      else
        say(
          `Runs that ${tenant} creates from now on are counted at ${count} ${count === 1 ? "price" : "prices"} of its own.`,
        );
      return exitStatus.ok;
    },
  },
  delete: {
    words: [],
    flags: ["tenant"],
    run: async (given) => {
      const tenant = tenantOf(given);
      await (await asOperator()).deleteTenantPrices(tenant);
      if (given.flags.json === true) sayJson({ deleted: "prices" });
      else say(`Runs that ${tenant} creates from now on are counted at the deployment's prices.`);
      return exitStatus.ok;
    },
  },
};

const ofTenant = async (tenant: string) => (await asOperator()).tenantPrices(tenant);

function tenantOf(given: Given): string {
  const tenant = textOf(given, "tenant");
  if (tenant === undefined) throw complain("--tenant is missing: prices are set by the operator, for one tenant.");
  return tenant;
}

const columns = (withFrom: boolean): readonly Column<Row>[] => [
  { title: "MODEL", of: ({ model }) => model },
  { title: "INPUT", of: ({ input }) => input, align: "right" },
  { title: "CACHE WRITE", of: ({ input, cache_write = input }) => cache_write, align: "right" },
  { title: "CACHE READ", of: ({ input, cache_read = input }) => cache_read, align: "right" },
  { title: "OUTPUT", of: ({ output }) => output, align: "right" },
  { title: "LONG FROM", of: ({ long }) => (long ? long.over : ""), align: "right" },
  { title: "AS OF", of: ({ as_of }) => as_of },
  ...(withFrom ? [{ title: "FROM", of: ({ from }: Row) => from ?? "" }] : []),
];
