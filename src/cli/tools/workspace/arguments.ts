/** Reading a call's arguments: each of its type and within bounds, and none that the tool does not have. */

import { Refusal } from "./refusal.ts";

export class Arguments {
  readonly #values: Record<string, unknown>;

  /** @throws Refusal that names what the tool does not take */
  constructor(values: Record<string, unknown>, names: readonly string[]) {
    this.#values = values;
    const unknown = Object.keys(values).filter((name) => !names.includes(name));
    if (unknown.length > 0)
      throw new Refusal("bad_arguments", `unknown: ${unknown.join(", ")}; expected ${names.join(", ")}`);
  }

  text(name: string): string {
    const value = this.#values[name];
    if (typeof value === "string") return value;
    throw new Refusal("bad_arguments", value === undefined ? `${name}: required` : `${name}: expected text`);
  }

  optionalText(name: string): string | undefined {
    return this.#isLeftOut(name) ? undefined : this.text(name);
  }

  flag(name: string): boolean {
    const value = this.#isLeftOut(name) ? false : this.#values[name];
    if (typeof value === "boolean") return value;
    throw new Refusal("bad_arguments", `${name}: expected true or false`);
  }

  wholeNumber(name: string, { min, max }: { min: number; max: number }): number | undefined {
    if (this.#isLeftOut(name)) return undefined;
    const value = this.#values[name];
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
    throw new Refusal("bad_arguments", `${name}: expected a whole number from ${min} to ${max}`);
  }

  /** Models write null for what they leave out. */
  #isLeftOut(name: string): boolean {
    return this.#values[name] === undefined || this.#values[name] === null;
  }
}
