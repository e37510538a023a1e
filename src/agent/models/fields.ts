/** What a vendor sent, read member by member: nothing of it is taken for granted. */

export type Fields = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

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
