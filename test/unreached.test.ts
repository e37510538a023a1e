/** What those are told whose address gave no answer. */

import { expect, test } from "vitest";
import { unreachedText } from "../src/unreached.ts";

test.each([
  [new Error("Network connection lost."), "it could not be reached: Network connection lost."],
  [
    new Error("internal error; reference = ob05t923"),
    "it could not be reached: is there such a host, and does it take connections? (internal error; reference = ob05t923)",
  ],
  [new TypeError("fetch failed"), "it could not be reached: fetch failed"],
  [new RangeError(), "it could not be reached: RangeError"],
  ["gone", "it could not be reached: gone"],
])("%s", (error, text) => expect(unreachedText(error)).toBe(text));
