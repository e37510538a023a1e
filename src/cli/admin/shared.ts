/** What the parts of `heddle admin` share: who asks, and arguments. */

import { HeddleAdmin } from "../../client/admin.ts";
import type { Given } from "../command.ts";
import { reach, serverUrl } from "../connection.ts";
import { UsageError } from "../usage.ts";

export type Act = (given: Given, ...words: string[]) => Promise<number>;

/** Acts by their names, each with the words and the flags that it takes; --json all of them take. */
export type Acts = Readonly<
  Record<string, { readonly words: readonly string[]; readonly flags?: readonly string[]; readonly run: Act }>
>;

export const complain = (text: string): UsageError => new UsageError(text, "admin");

/** The operator's door. The secret comes from the environment alone: a command line is seen by others, and kept in histories. */
export async function asOperator(): Promise<HeddleAdmin> {
  const secret = process.env.HEDDLE_ADMIN_SECRET || "hdl_local_admin";
  if (!/^[\x21-\x7e]+$/.test(secret))
    throw new UsageError("HEDDLE_ADMIN_SECRET holds characters that no secret has (spaces, line breaks?).");
  const client = new HeddleAdmin({ url: serverUrl(), secret });
  await reach();
  return client;
}

export const asTenant = reach;

const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `30s`, `15m`, `12h`, `90d` in milliseconds; undefined where the flag is not given. */
export function lengthOf({ flags }: Given, name: string): number | undefined {
  const text = flags[name];
  if (text === undefined) return undefined;
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(String(text)) ?? [];
  if (count === undefined)
    throw complain(`--${name} is "${text}"; it must be a length of time such as 30m, 12h or 90d.`);
  return Number(count) * units[unit as keyof typeof units];
}

export const textOf = ({ flags }: Given, name: string): string | undefined => flags[name] as string | undefined;
