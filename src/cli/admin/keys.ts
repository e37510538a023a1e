/** `heddle admin keys` */

import type { CreatedKey, Key } from "../../client/replies.ts";
import type { KeyRequest } from "../../client/requests.ts";
import { allRows } from "../all-rows.ts";
import type { Given } from "../command.ts";
import { exitStatus } from "../exit-status.ts";
import { dateTime } from "../plain-text.ts";
import { note, say, sayJson, sayRows } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";
import { textsOf } from "../usage.ts";
import { type Acts, asOperator, lengthOf, textOf } from "./shared.ts";

export const keyActs: Acts = {
  list: {
    words: ["TENANT"],
    run: async ({ flags }, tenant) => {
      const admin = await asOperator();
      const rows = await allRows(
        (query) => admin.listKeys(tenant!, query),
        ({ keys }) => keys,
      );
      sayRows(flags, rows, columns, "The tenant has no keys.");
      return exitStatus.ok;
    },
  },
  create: {
    words: ["TENANT"],
    flags: ["name", "scope", "expires"],
    run: async (given, tenant) => {
      const scopes = given.flags.scope as KeyRequest["scopes"];
      const body = { ...textsOf(given.flags, "name"), ...(scopes && { scopes }), ...expiry(given) };
      sayKey(given, await (await asOperator()).createKey(tenant!, body));
      return exitStatus.ok;
    },
  },
  rotate: {
    words: ["TENANT", "KEY"],
    flags: ["expires", "overlap"],
    run: async (given, tenant, key) => {
      const overlap = lengthOf(given, "overlap");
      const how = { ...(overlap !== undefined && { overlap_ms: overlap }), ...expiry(given) };
      const rotated = await (await asOperator()).rotateKey(tenant!, key!, how);
      sayKey(given, rotated);
      if (given.flags.json !== true)
        note(`${rotated.replaces.id} works until ${dateTime(rotated.replaces.expires_at)}.`);
      return exitStatus.ok;
    },
  },
  revoke: {
    words: ["TENANT", "KEY"],
    run: async ({ flags }, tenant, key) => {
      await (await asOperator()).revokeKey(tenant!, key!);
      if (flags.json === true) sayJson({ revoked: key });
      else say(`${key} is revoked.`);
      return exitStatus.ok;
    },
  },
};

function expiry(given: Given): { expires_at?: number | null } {
  if (textOf(given, "expires") === "never") return { expires_at: null };
  const ms = lengthOf(given, "expires");
  return ms === undefined ? {} : { expires_at: Date.now() + ms };
}

/** The key alone on stdout, so that a shell can take it. */
function sayKey({ flags }: Given, created: CreatedKey): void {
  if (flags.json === true) {
    sayJson(created);
    return;
  }
  say(created.key);
  const until = created.expires_at === null ? "" : `, until ${dateTime(created.expires_at)}`;
  note(`That is ${created.id} (${created.scopes.join(", ")}${until}). It is not shown again.`);
}

const state = ({ revoked_at, expires_at }: Key): string => {
  if (revoked_at !== null) return "revoked";
  if (expires_at === null) return "";
  return `${expires_at <= Date.now() ? "expired" : "until"} ${dateTime(expires_at)}`;
};

const columns: readonly Column<Key>[] = [
  { title: "KEY", of: ({ id }) => id },
  { title: "NAME", of: ({ name }) => name, least: 8 },
  { title: "SCOPES", of: ({ scopes }) => scopes.join(" ") },
  { title: "CREATED", of: ({ created_at }) => dateTime(created_at), least: 10 },
  { title: "LAST USED", of: ({ last_used_at }) => last_used_at && dateTime(last_used_at), least: 10 },
  { title: "ENDS", of: state },
  { title: "REPLACED BY", of: ({ replaced_by }) => replaced_by },
];
