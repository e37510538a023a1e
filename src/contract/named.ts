/** Objects whose members' names are the caller's own. */

import * as z from "zod";

/**
 * As `z.record`, which passes over a member named `__proto__` without a word: what was said would be lost, so it is refused, as
 * fields that nobody knows are. They are counted before any is looked at: a body has room for a million, and what is wrong with each
 * takes its time.
 */
export const namedBy = <Key extends z.core.$ZodRecordKey, Value extends z.ZodType>(
  key: Key,
  value: Value,
  { most, what }: { readonly most: number; readonly what: string },
) =>
  z.preprocess(
    (given, context) => {
      if (typeof given !== "object" || given === null) return given;
      if (Object.hasOwn(given, "__proto__"))
        context.addIssue({ code: "custom", path: ["__proto__"], message: "nothing can have this name" });
      else if (Object.keys(given).length > most)
        context.addIssue({ code: "custom", path: [], message: `at most ${most} ${what}` });
      return given;
    },
    z.record(key, value),
  );
