/** `heddle admin`: tenants, their keys and credentials, what they use and are billed for, and the audit log. */

import type { Command, Given } from "../command.ts";
import { auditActs } from "./audit.ts";
import { billingActs } from "./billing.ts";
import { credentialActs } from "./credentials.ts";
import { keyActs } from "./keys.ts";
import { pricesActs } from "./prices.ts";
import { rulesActs } from "./rules.ts";
import { type Acts, complain } from "./shared.ts";
import { sweepActs } from "./sweep.ts";
import { tenantActs } from "./tenants.ts";
import { usageActs } from "./usage.ts";

const things: Readonly<Record<string, Acts>> = {
  tenants: tenantActs,
  keys: keyActs,
  credentials: credentialActs,
  rules: rulesActs,
  prices: pricesActs,
  usage: usageActs,
  billing: billingActs,
  audit: auditActs,
  sweep: sweepActs,
};

export const adminCommand: Command = {
  name: "admin",
  group: "Set up",
  summary: "tenants, keys, credentials at providers, rules, prices, usage, billing, audit",
  words: [
    { name: "THING", choices: Object.keys(things) },
    { name: "ACT", optional: true, after: ([thing = ""]) => ({ choices: Object.keys(things[thing] ?? {}) }) },
    { name: "ARGUMENT", optional: true, many: true },
  ],
  flags: {
    tenant: {
      value: "TENANT",
      about:
        "credentials list, set, delete; rules, prices, usage, audit; billing list, export, retry: of that tenant,\nby the operator",
    },
    all: { about: "audit: of all tenants, by the operator" },
    name: { value: "NAME", about: "keys create: whose key it is, for people" },
    scope: {
      value: "SCOPE",
      choices: ["runs", "workers", "tenant_admin"],
      many: true,
      about: "keys create: runs, workers or tenant_admin; more than once for several (default: runs and workers)",
    },
    expires: { value: "TIME", about: "keys create, rotate: when the new key ends: 12h, 90d, or never" },
    overlap: { value: "TIME", about: "keys rotate: how long the old key still works: 0s, 30m, 7d (default 24h)" },
    format: {
      value: "FORMAT",
      choices: ["anthropic", "openai", "mcp"],
      about: "credentials set: the format of the contexts that it serves, or mcp",
    },
    "base-url": { value: "URL", about: "credentials set: where the provider is, if not at the vendor's" },
    model: { value: "MODEL", about: "credentials set: the model where neither task nor context names one" },
    default: { about: "credentials set: what new runs of the format use; the first one is that anyway" },
    set: {
      value: "QUOTA=N",
      many: true,
      about:
        "tenants quotas: all of its quotas, as --set runs=100 --set seats=32; there are runs, seats, total_seats, tasks,\ntokens_per_day, storage_bytes and requests_per_second; --set none for no quotas",
    },
    by: {
      value: "WHAT",
      about: "usage: tenant (default; of one tenant day), hour, day, run, key, model, pool, or label:NAME",
    },
    from: { value: "TIME", about: "usage: from this hour on: 2026-11-01, a time in UTC, or epoch ms" },
    to: { value: "TIME", about: "usage: up to this hour, without it; default: until now" },
    csv: { without: ["json"], about: "usage: as CSV, with every column" },
    since: {
      value: "TIME",
      about: "billing set: the hour from which on the tenant is billed (default: the present one, or as before)",
    },
    state: {
      value: "STATE",
      choices: ["waiting", "sent", "refused"],
      about: "billing list, export: only those events",
    },
    "open-hours": { about: "billing push: also what was used in the present hour" },
    yes: { about: "tenants delete: don't ask; needed where there is no terminal to ask on" },
    json: { about: "one JSON object a line, as the API has it" },
  },
  ask: "Name what to look at or change: tenants, keys, credentials, rules, prices, usage, billing, audit or sweep.",
  about: `Looks after tenants, as the operator of the server or, for its own credentials, rules and audit log, as a tenant.

  tenants [list]             all tenants
  tenants create NAME        prints the new tenant's id
  tenants show TENANT        one, and how far its deletion has come
  tenants quotas TENANT      what it may use at most; with --set that becomes it
  tenants delete TENANT      with all of its runs, keys and credentials, for good
  keys list TENANT           its keys: when each was used last, and when it ends
  keys create TENANT         prints a new key, this once
  keys rotate TENANT KEY     prints a new key in that one's place, which works a while longer
  keys revoke TENANT KEY     at once
  credentials [list]         a tenant's credentials at model providers, never the keys themselves
  credentials set NAME       reads the provider's key from stdin
  credentials delete NAME    tasks of runs that use it then fail
  credentials reseal         after a change of HEDDLE_CREDENTIALS_KEY: seals them all under the new one
  rules [list]               the rules that all of a tenant's runs are held to
  rules set FILE             for new runs and live ones; "-" for stdin
  rules delete               they hold nobody any more
  prices [list]              what models cost the tenant; with --tenant, the prices that it has of its own
  prices set FILE            its own ones, as JSON ("-" for stdin), for runs that are created from now on; with --tenant
  prices delete              the deployment's are its again; with --tenant
  usage [list]               what all tenants have used; with --tenant, what one has
  billing [list]             events for the billing provider's meters, and what became of each
  billing export             the same, as a file of JSON lines that the provider takes
  billing set TENANT ID      bills what the tenant uses to the provider's customer of that id
  billing show TENANT        to whom it is billed, and how far
  billing remove TENANT      bills nothing more
  billing push               makes and sends what is due now, as the server does every minute
  billing retry              has events that were refused sent again
  audit [list]               what was done, by whom and when
  sweep [list]               whether the server's cron comes round, and the runs that it can't visit (then the status is 1)

KEY is a key's id, as "keys list" shows it. "credentials", "rules", "prices" and "audit" are about the tenant of
HEDDLE_API_KEY, whose key needs the scope tenant_admin; with --tenant, or --all, they ask as the operator. A flag that an
act does not take is refused.`,
  more: `The operator's secret is read from HEDDLE_ADMIN_SECRET (default hdl_local_admin, which only local mode knows), and no secret from
the command line, where others could see it.

Exit status: 0; 1 no such thing, the server refused, or it is not all done; 2 usage; 3 server not reached.

Examples:
  TENANT=$(heddle admin tenants create acme)
  heddle admin keys create $TENANT --name ci --scope runs --expires 90d
  heddle admin credentials set main --tenant $TENANT --format anthropic < key.txt`,
  run: async (given) => {
    const [thing = "", act = "list", ...words] = given.words;
    const known = things[thing]!;
    const chosen = Object.hasOwn(known, act) ? known[act] : undefined;
    if (!chosen) throw complain(`"${thing}" has no "${act}"; it has ${Object.keys(known).join(", ")}.`);
    if (words.length !== chosen.words.length || words.includes("")) {
      const takes = chosen.words.length === 0 ? "takes no more words" : `takes ${chosen.words.join(" ")}`;
      throw complain(`heddle admin ${thing} ${act} ${takes}.`);
    }
    requireOwnFlags(given.flags, thing, act);
    return chosen.run(given, ...words);
  },
};

/** A flag that an act would not look at is refused: "billing push --tenant T" would send what all tenants have used. */
function requireOwnFlags(flags: Given["flags"], thing: string, act: string): void {
  const stray = Object.keys(flags).find((flag) => flag !== "json" && !isFlagOf(things[thing]![act]!, flag));
  if (stray === undefined) return;
  const owners = Object.keys(things).flatMap((one) => {
    const acts = actsWith(one, stray);
    return acts.length === 0 ? [] : [{ thing: one, text: `${one} ${acts.join(", ")}` }];
  });
  // Who has mistaken the act needs to hear of its neighbours, not of all things that have such a flag.
  const near = owners.filter((owner) => owner.thing === thing);
  const texts = (near.length > 0 ? near : owners).map(({ text }) => text);
  throw complain(`heddle admin ${thing} ${act} takes no --${stray}; it goes with ${texts.join("; ")}.`);
}

const actsWith = (thing: string, flag: string): string[] =>
  Object.entries(things[thing]!).flatMap(([act, one]) => (isFlagOf(one, flag) ? [act] : []));

const isFlagOf = ({ flags = [] }: Acts[string], flag: string): boolean => flags.includes(flag);
