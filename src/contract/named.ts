/** Objects whose members' names are the caller's own. */

import * as z from "zod";

/**
 * As `z.record`, which passes over a member named `__proto__` without a word: what was said would be lost, so it is refused, as
 * fields that nobody knows are.
 */
export const namedBy = <Key extends z.core.$ZodRecordKey, Value extends z.ZodType>(key: Key, value: Value) =>
  z.preprocess(
    (given, context) => {
      if (typeof given === "object" && given !== null && Object.hasOwn(given, "__proto__"))
        context.addIssue({ code: "custom", path: ["__proto__"], message: "nothing can have this name" });
      return given;
    },
    z.record(key, value),
  );
