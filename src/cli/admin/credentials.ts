/** `heddle admin credentials`: of the tenant of HEDDLE_API_KEY, or by the operator of the one that --tenant names. */

import type { Provider, ProvidersPage } from "../../client/replies.ts";
import type { PageQuery, ProviderRequest } from "../../client/requests.ts";
import { allRows } from "../all-rows.ts";
import type { Given } from "../command.ts";
import { exitStatus } from "../exit-status.ts";
import { readInput } from "../json-input.ts";
import { dateTime, oneLine } from "../plain-text.ts";
import { note, say, sayJson, sayRows } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";
import { type Acts, asOperator, asTenant, complain, textOf } from "./shared.ts";

/** Whoever may: the operator, or the tenant itself. */
interface Door {
  readonly list: (query: PageQuery) => Promise<ProvidersPage>;
  readonly put: (name: string, body: ProviderRequest) => Promise<Provider>;
  readonly remove: (name: string) => Promise<void>;
}

async function doorOf(given: Given): Promise<Door> {
  const tenant = textOf(given, "tenant");
  if (tenant === undefined) {
    const own = await asTenant();
    return {
      list: (query) => own.listProviders(query),
      put: (name, body) => own.putProvider(name, body),
      remove: (name) => own.deleteProvider(name),
    };
  }
  const admin = await asOperator();
  return {
    list: (query) => admin.listProviders(tenant, query),
    put: (name, body) => admin.putProvider(tenant, name, body),
    remove: (name) => admin.deleteProvider(tenant, name),
  };
}

export const credentialActs: Acts = {
  list: {
    words: [],
    flags: ["tenant"],
    run: async (given) => {
      const door = await doorOf(given);
      const rows = await allRows(door.list, ({ providers }) => providers);
      sayRows(given.flags, rows, columns, "The tenant has no credentials: its runs use the deployment's.");
      return exitStatus.ok;
    },
  },
  set: {
    words: ["NAME"],
    flags: ["tenant", "format", "base-url", "model", "default"],
    run: async (given, name) => {
      const format = textOf(given, "format") as Provider["format"] | undefined;
      if (format === undefined) throw complain("--format is missing: anthropic, openai or mcp.");
      const base_url = textOf(given, "base-url");
      const model = textOf(given, "model");
      const body: ProviderRequest = {
        ...{ format, key: keyFromInput() },
        ...(base_url !== undefined && { base_url }),
        ...(model !== undefined && { model }),
        ...(given.flags.default === true && { default: true }),
      };
      const set = await (await doorOf(given)).put(name!, body);
      if (given.flags.json === true) sayJson(set);
      else {
        const used = set.default ? `; new runs of the format ${set.format} use it` : "";
        // Of a short key nothing is shown.
        const end = set.last4 === "" ? "" : `, with a key that ends in "${set.last4}"`;
        say(`${set.name} is set${end}${used}.`);
      }
      return exitStatus.ok;
    },
  },
  delete: {
    words: ["NAME"],
    flags: ["tenant"],
    run: async (given, name) => {
      await (await doorOf(given)).remove(name!);
      if (given.flags.json === true) sayJson({ deleted: name });
      else say(`${name} is deleted: tasks of runs that use it fail from now on.`);
      return exitStatus.ok;
    },
  },
  reseal: {
    words: [],
    run: async ({ flags }) => {
      const admin = await asOperator();
      const whole = { sealed: 0, unreadable: [] as { tenant: string; name: string }[] };
      for (;;) {
        const { sealed, left, unreadable } = await admin.resealProviders();
        whole.sealed += sealed;
        whole.unreadable = unreadable;
        if (!left || sealed === 0) break;
      }
      if (flags.json === true) sayJson(whole);
      else say(`${whole.sealed} sealed under the present HEDDLE_CREDENTIALS_KEY.`);
      for (const { tenant, name } of whole.unreadable)
        note(`No secret of the deployment opens "${oneLine(name)}" of ${tenant}: it has to be set again.`);
      return whole.unreadable.length === 0 ? exitStatus.ok : exitStatus.failed;
    },
  },
};

/** From stdin: a command line is seen by others, and kept in histories. */
function keyFromInput(): string {
  if (process.stdin.isTTY) note("Type the provider's key (it is shown as you type), then Enter and Ctrl-D.");
  const key = readInput("-").trim();
  if (key === "") throw complain("There is no key on stdin: heddle admin credentials set NAME --format FORMAT < FILE");
  return key;
}

const columns: readonly Column<Provider>[] = [
  { title: "NAME", of: ({ name }) => name },
  { title: "FORMAT", of: ({ format }) => format },
  { title: "DEFAULT", of: ({ default: isDefault }) => (isDefault ? "yes" : "") },
  { title: "KEY", of: ({ last4 }) => `…${last4}` },
  { title: "MODEL", of: ({ model }) => model, least: 8 },
  { title: "ADDRESS", of: ({ base_url }) => base_url, least: 12 },
  { title: "SET", of: ({ updated_at }) => dateTime(updated_at), least: 10 },
];
