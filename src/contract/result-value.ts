/** A task's result: any JSON, text included, within its cap. */

import * as z from "zod";
import { resultBytesMax } from "../limits.ts";
import { withProblem } from "./field-errors.ts";
import { fitsUtf8 } from "./utf8.ts";

export const resultValue = z
  .unknown()
  .refine(
    (result) => result === undefined || fitsUtf8(JSON.stringify(result), resultBytesMax),
    withProblem("result_too_large", `at most ${resultBytesMax} bytes as JSON`),
  );
