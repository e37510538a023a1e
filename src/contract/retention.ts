/** How long a run that has ended is kept: the deployment's word, and what follows from it. */

import { dayMs, retentionDaysDefault, retentionDaysMax } from "../limits.ts";

export type Retention =
  | { readonly ok: true; readonly days: number | null }
  | { readonly ok: false; readonly message: string };

/** `HEDDLE_RETENTION_DAYS`: a number of days, or `keep` (null). */
export function parseRetention(text: string | undefined): Retention {
  if (text === undefined || text === "") return { ok: true, days: retentionDaysDefault };
  if (text === "keep") return { ok: true, days: null };
  const days = Number(text);
  if (/^\d+$/.test(text) && days >= 1 && days <= retentionDaysMax) return { ok: true, days };
  return { ok: false, message: `it must be a whole number of days from 1 to ${retentionDaysMax}, or "keep"` };
}

/** When a run that ended at `from` is deleted; null: it is not, or it goes on. */
export const expiryOf = (from: number | null, days: number | null): number | null =>
  from === null || days === null ? null : from + days * dayMs;
