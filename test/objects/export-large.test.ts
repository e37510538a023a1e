/** Large runs as files: many tasks, and a context of 8 MB that a thousand forks share. */

import { describe, expect, it } from "vitest";
import { exportPageChars, exportPieceChars, importBatchChars } from "../../src/limits.ts";
import { comparable, copyOf, exported, send } from "./lib/files.ts";
import { makeRun, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

/** In calls as the door makes them. */
async function taken(run: TestRun, lines: readonly string[]): Promise<TestRun> {
  const copy = copyOf(run);
  for (let at = 0; at < lines.length; ) {
    const batch: string[] = [];
    let chars = 0;
    while (at + batch.length < lines.length && chars < importBatchChars) {
      const line = lines[at + batch.length]!;
      batch.push(line);
      chars += line.length;
    }
    at = value(await send(copy, batch, at)).lines;
  }
  return copy;
}

async function pagesOf(run: TestRun): Promise<number[]> {
  const sizes: number[] = [];
  for (let page = value(await run.rpc.exportPage(undefined)); ; page = value(await run.rpc.exportPage(page.cursor))) {
    for (const { text } of page.pieces) expect(text.length).toBeLessThanOrEqual(exportPieceChars);
    sizes.push(page.pieces.reduce((sum, { text }) => sum + text.length, 0));
    if (!page.cursor) return sizes;
  }
}

describe("an export", () => {
  it("of 10,000 tasks comes in bounded pages and is taken in whole", async () => {
    const run = await makeRun();
    for (let i = 0; i < 10; i++)
      await run.create(
        ...Array.from({ length: 1000 }, (_, n) => ({ pool: "box", instructions: `work ${i}.${n} ${"x".repeat(300)}` })),
      );
    for (const size of await pagesOf(run)) expect(size).toBeLessThan(exportPageChars + exportPieceChars);
    value(await run.rpc.cancelRun("enough"));
    const lines = await exported(run);
    const copy = await taken(run, lines);
    expect((await copy.view()).counts).toMatchObject({ cancelled: 10_000 });
    expect(comparable(await exported(copy))).toEqual(comparable(lines));
  }, 60_000);

  it("of a context of 8 MB with forks has it once, in pieces", async () => {
    const message = JSON.stringify({
      role: "user",
      content: `"quoted" \u{1F600} ${"all of the code\n".repeat(500_000)}`,
    });
    const run = await makeRun({ context: { format: "anthropic", messages: [message] } });
    await run.create(...Array.from({ length: 1000 }, (_, n) => ({ pool: "box", instructions: `part ${n}` })));
    const lease = (await run.lease())!;
    value(await run.rpc.turn(lease, { messages: ['{"role":"assistant","content":"ok"}'] }));
    const lines = await exported(run);
    expect(lines.join("\n").length).toBeLessThan(2 * message.length);
    const copy = await taken(run, lines);
    await copy.evict();
    expect(value(await copy.rpc.taskContext(lease.task.id))).toEqual(value(await run.rpc.taskContext(lease.task.id)));
  }, 60_000);
});
