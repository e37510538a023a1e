/** What descriptions of answers have in common. */

import * as z from "zod";

export const at = z.int().describe("Epoch milliseconds.");
export const cursor = z.string().nullable().describe("null on the last page.");

/** Whether a schema's type and a shape accept each other. */
export type Twins<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
export type AllTrue<Checks extends boolean[]> = Checks extends true[] ? true : false;
