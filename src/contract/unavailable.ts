/** Fields that the contract names and whose part of Heddle has not landed: any value is refused with `not_available`. */

import * as z from "zod";
import { withProblem } from "./field-errors.ts";

export const unavailable = z
  .unknown()
  .refine(() => false, withProblem("not_available", "not available yet"))
  .describe("Not available yet: any value answers 422 not_available.")
  .exactOptional();
