/** `heddle admin usage`: of all tenants, or of the one that --tenant names. */

import { readUsage, sayUsage } from "../look/usage.ts";
import { type Acts, asOperator, textOf } from "./shared.ts";

export const usageActs: Acts = {
  list: {
    words: [],
    flags: ["tenant", "by", "from", "to", "csv"],
    run: async (given) => {
      const tenant = textOf(given, "tenant");
      const { by, query } = readUsage(given, tenant === undefined ? "tenant" : "day");
      const admin = await asOperator();
      return sayUsage(given, by, (page) => admin.usage({ ...query, ...page, ...(tenant !== undefined && { tenant }) }));
    },
  },
};
