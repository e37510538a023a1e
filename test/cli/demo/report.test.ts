/** What the demo says of tasks that did not succeed. */

import { expect, it } from "vitest";
import { failureLines } from "../../../scripts/demo/report.mjs";

const task = (title: string, message?: string) => ({
  id: `T_${title}`,
  title,
  state: message === undefined ? "succeeded" : "failed",
  ...(message !== undefined && { error: { code: "command_failed", message } }),
});

it("A run in which all succeeded has no failures to tell of", () => {
  expect(failureLines([task("a.ts"), task("b.ts")])).toBe("");
});

it("Each task that did not succeed is named with its error, on one line that a terminal can't be harmed by", () => {
  const lines = failureLines([task("a.ts"), task("b\n\u001b[31m.ts", "exit status 1\nb is not a plain file")]);
  expect(lines).toBe("  b [31m.ts failed: command_failed: exit status 1 b is not a plain file");
});

it("Of many the first ten are named, and the rest counted", () => {
  const lines = failureLines(Array.from({ length: 12 }, (_, i) => task(`${i}.ts`, "no"))).split("\n");
  expect(lines).toHaveLength(11);
  expect(lines.at(-1)).toBe("  and 2 more");
});
