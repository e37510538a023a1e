/** `heddle admin rules`: of the tenant of HEDDLE_API_KEY, or by the operator of the one that --tenant names. */

import type { TenantRules } from "../../client/replies.ts";
import type { Given } from "../command.ts";
import { exitStatus } from "../exit-status.ts";
import { dateTime } from "../plain-text.ts";
import { readSound } from "../rules/rules-file.ts";
import { note, say, sayJson, sayTable } from "../screen/output.ts";
import { type Acts, asOperator, asTenant, textOf } from "./shared.ts";

/** Whoever may: the operator, or the tenant itself. */
interface Door {
  readonly get: () => Promise<TenantRules>;
  readonly set: (text: string) => Promise<TenantRules>;
  readonly remove: () => Promise<void>;
}

async function doorOf(given: Given): Promise<Door> {
  const tenant = textOf(given, "tenant");
  if (tenant === undefined) {
    const own = await asTenant();
    return {
      get: () => own.tenantRules(),
      set: (text) => own.setTenantRules(text),
      remove: () => own.deleteTenantRules(),
    };
  }
  const admin = await asOperator();
  return {
    get: () => admin.tenantRules(tenant),
    set: (text) => admin.setTenantRules(tenant, text),
    remove: () => admin.deleteTenantRules(tenant),
  };
}

export const rulesActs: Acts = {
  list: {
    words: [],
    flags: ["tenant"],
    run: async (given) => {
      const rules = await (await doorOf(given)).get();
      if (given.flags.json === true) sayJson(rules);
      else sayRules(rules);
      return exitStatus.ok;
    },
  },
  set: {
    words: ["FILE"],
    flags: ["tenant"],
    run: async (given, path) => {
      const file = readSound(path!);
      if (!file) return exitStatus.failed;
      const rules = await (await doorOf(given)).set(file.text);
      if (given.flags.json === true) sayJson(rules);
      else if (rules.rules.length === 0) say(`The tenant has no rules any more.${behindText(rules)}`);
      else say(`All runs of the tenant are held to ${countOf(rules)}.${behindText(rules)}`);
      return exitStatus.ok;
    },
  },
  delete: {
    words: [],
    flags: ["tenant"],
    run: async (given) => {
      await (await doorOf(given)).remove();
      if (given.flags.json === true) sayJson({ deleted: "rules" });
      else say("The tenant has no rules any more.");
      return exitStatus.ok;
    },
  },
};

const countOf = ({ rules }: TenantRules): string => (rules.length === 1 ? "1 rule" : `${rules.length} rules`);

const behindText = ({ runs_behind: behind }: TenantRules): string =>
  behind === 0
    ? ""
    : ` ${behind} live ${behind === 1 ? "run is" : "runs are"} not held to them yet; Heddle goes on by itself.`;

function sayRules(all: TenantRules): void {
  if (all.rules.length === 0) {
    note(`The tenant has no rules.${behindText(all)}`);
    return;
  }
  sayTable(
    [
      { title: "line", of: ({ line }) => line, align: "right" },
      { title: "rule", of: ({ rule }) => rule },
    ],
    all.rules,
  );
  note(`Set ${dateTime(all.updated_at!)}.${behindText(all)}`);
}
