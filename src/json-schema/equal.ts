/** JSON values that are equal: whatever the order of their members. */

import type { Work } from "./work.ts";

export function isEqual(a: unknown, b: unknown, work: Work): boolean {
  work.spend(1);
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => isEqual(item, b[i], work))
    );
  }
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isEqual(memberOf(a, key), memberOf(b, key), work))
  );
}

/** The first item that is there again, and where. */
export function twiceIn(items: readonly unknown[], work: Work): readonly [number, number] | undefined {
  const seen = new Map<string, number>();
  let found: readonly [number, number] | undefined;
  for (const [i, item] of items.entries()) {
    const text = sorted(item, work);
    const first = seen.get(text);
    if (first === undefined) seen.set(text, i);
    else if (!found || first < found[0]) found = [first, i];
  }
  return found;
}

/** JSON text that equal values share. */
function sorted(value: unknown, work: Work): string {
  work.spend(1);
  if (typeof value === "string") work.spend(value.length / 16);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => sorted(item, work)).join()}]`;
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${sorted(memberOf(value, key), work)}`).join()}}`;
}

export const memberOf = (value: object, key: string): unknown => (value as Readonly<Record<string, unknown>>)[key];
