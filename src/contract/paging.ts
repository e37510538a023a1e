/** Query parameters. They come as text; a number is digits and nothing else. */

import * as z from "zod";
import { cursorCharsMax, pageRowsDefault, pageRowsMax } from "../limits.ts";

/** A whole number from `min` to `max` in a query. */
export const queryInt = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, "expected a whole number")
    .transform(Number)
    .pipe(z.int().min(min).max(max));

const limitParam = queryInt(1, pageRowsMax).default(pageRowsDefault).describe("Rows of the page.");
const cursorParam = z.string().min(1).max(cursorCharsMax).describe("`next_cursor` of the page before.").exactOptional();

export const pageQuery = z.strictObject({ limit: limitParam, cursor: cursorParam });
