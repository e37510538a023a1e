/** What a vendor sent, read member by member: nothing of it is taken for granted. */

import { isObject } from "../../context/is-object.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** Empty for anything but an object. */
export const fieldsOf = (value: unknown): Fields => (isObject(value) ? value : {});

/** Empty for anything but a list. */
export const listOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.map(fieldsOf) : []);

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
