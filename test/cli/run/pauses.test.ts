import { expect, test } from "vitest";
import { Pauses } from "../../../src/cli/run/pauses.ts";
import type { RunView } from "../../../src/client/replies.ts";

const active = { id: "run_1", status: "active", reason: null } as const;
const paused = (reason: string, more: object = {}) =>
  ({ id: "run_1", status: "paused", reason, ...more }) as Pick<RunView, "id" | "status" | "reason">;

/** What is said of each look at the run. */
function said(...looks: Parameters<Pauses["look"]>[0][]): string[] {
  const texts: string[] = [];
  const pauses = new Pauses((text) => texts.push(text));
  for (const look of looks) pauses.look(look);
  return texts;
}

test.each<[string, object, RegExp]>([
  ["asked", {}, /^The run is paused \(asked\)\. It goes on: heddle resume run_1$/],
  ["rule", {}, /\(rule\)\. It goes on: heddle resume run_1$/],
  ["budget", { limits: { tokens: 5, usd: null } }, /It goes on with a larger budget: heddle budget run_1 --tokens N$/],
  ["budget", { limits: { tokens: null, usd: 5 } }, /It goes on with a larger budget: heddle budget run_1 --usd N$/],
  [
    "quota",
    { quota: { name: "tokens_per_day", limit: 7, until: 0 } },
    /It goes on by itself at .* above 7: heddle quotas$/,
  ],
])("a pause for %s %j", (reason, more, text) => {
  expect(said(paused(reason, more))).toEqual([expect.stringMatching(text)]);
});

test("each pause is told of once, and the same again after the run went on", () => {
  const texts = said(active, paused("asked"), paused("asked"), active, paused("asked"), paused("budget"));
  expect(texts.map((text) => /\((.*)\)/.exec(text)![1])).toEqual(["asked", "asked", "budget"]);
});
