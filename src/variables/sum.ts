/** Adding to what is there, for the kinds that count. */

import { type Answer, type Json, refuse } from "./kind.ts";

/** Beyond, not every whole number is a double: a sum might be another number, and nobody would notice. */
const isExact = (value: number): boolean => Math.abs(value) <= Number.MAX_SAFE_INTEGER;

/** The sum; what is there has to be a number, and nothing of it beyond ±(2^53 - 1). Fractions are those of doubles. */
export function sumOf(value: Json, delta: number): { readonly sum: number } | { readonly answer: Answer } {
  if (typeof value !== "number") return refuse("not_a_number", "The value is not a number.", { value });
  const sum = value + delta;
  if (!Number.isFinite(sum)) return refuse("not_a_number", "The sum would not be a finite number.", { value });
  if (![value, delta, sum].every(isExact))
    return refuse("not_exact", `The sum might not be exact: a number is beyond ±${Number.MAX_SAFE_INTEGER}.`, {
      value,
    });
  return { sum };
}
