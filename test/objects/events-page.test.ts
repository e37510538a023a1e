/** Pages of a log whose events are large. */

import { expect, it } from "vitest";
import { pageBytesMax, pageRowsMax } from "../../src/limits.ts";
import { makeRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

it("a page ends where it is large, and the next one goes on there, event by event", { timeout: 60_000 }, async () => {
  const run = await makeRun({ limits: { pools: ["box"], tasks: 3_000 } });
  const first = Array.from({ length: 1000 }, (_, i) => ({ key: `a${i}`, pool: "box", instructions: "x" }));
  await run.create(...first);
  const after = first.map(({ key }) => key);
  await run.create(...Array.from({ length: 700 }, () => ({ pool: "box", instructions: "x", after })));
  const seqs: number[] = [];
  const sizes: number[] = [];
  for (;;) {
    const page = value(await run.rpc.events({ after: seqs.length, limit: pageRowsMax, waitMs: 0 }));
    expect(page.done).toBe(false);
    if (page.events.length === 0) break;
    seqs.push(...page.events.map(({ seq }) => seq));
    sizes.push(JSON.stringify(page.events).length);
  }
  expect(seqs).toEqual(seqs.map((_, i) => i + 1));
  expect(seqs.length).toBeGreaterThan(1700);
  expect(Math.max(...sizes)).toBeGreaterThan(pageBytesMax / 2);
  expect(Math.max(...sizes)).toBeLessThan(pageBytesMax + 32 * 1024);
});
