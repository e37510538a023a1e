/** When the launcher ends a server that answers nothing: one that is stuck soon, one that is at work late. */

import { expect, it } from "vitest";
import { Silence } from "../../../scripts/lib/silence.mjs";

/** Looks every 5 s at a server whose processes have `share` of a processor; when it is ended, and why. */
function endOf(share: (s: number) => number, answersAt: readonly number[] = []): [number, string] | undefined {
  const silence = new Silence(0, 0);
  let cpuMs = 0;
  for (let s = 5; s <= 600; s += 5) {
    cpuMs += share(s) * 5000;
    const why = silence.lasts(s * 1000, cpuMs);
    if (answersAt.includes(s)) silence.broken(s * 1000, cpuMs);
    else if (why) return [s, why];
  }
  return undefined;
}

it("one that does nothing is ended after half a minute, from its last answer on", () => {
  expect(endOf(() => 0)).toEqual([35, "no answer and no work for 30 s"]);
  expect(endOf(() => 0.01)).toEqual([35, expect.any(String)]);
  expect(endOf(() => 0, [5, 30])).toEqual([65, expect.any(String)]);
});

it("one that is at work, however little a loaded machine gives it, is ended when it has been of no use for long", () => {
  expect(endOf(() => 0.06)).toEqual([305, "no answer for 300 s"]);
  expect(endOf(() => 1)).toEqual([305, "no answer for 300 s"]);
  const every290s = [290, 580];
  expect(endOf(() => 0.06, every290s)).toBeUndefined();
});

it("one that stops its work is given half a minute from then on", () => {
  expect(endOf((s) => (s <= 100 ? 0.5 : 0))).toEqual([135, "no answer and no work for 30 s"]);
});
