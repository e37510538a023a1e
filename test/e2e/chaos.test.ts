/** A small chaos run, as `npm run chaos` makes large ones: two kills under load, and every promise kept. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { chaos } from "../../chaos/run.ts";

const folder = mkdtempSync(join(tmpdir(), "heddle-chaos-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a server that is killed twice under load", () => {
  it("has lost nothing that it acknowledged, done nothing twice, and left nobody stuck", async () => {
    const { world, violations, outages } = await chaos({
      ...{ seed: 1, kills: 2, spanMs: 6000, settleMs: 80_000, users: 2, pullers: 2, workers: 1 },
      ...{ landlords: 0, workersDie: false },
      ...{ historyPath: join(folder, "history.jsonl"), say: () => {} },
    });
    expect(violations).toEqual([]);
    // It was under load, and it was cut off.
    expect(outages).toHaveLength(2);
    const told = world.calls.filter(({ outcome }) => outcome.kind === "told");
    const kinds = new Set(told.map(({ act }) => (act.kind === "op" ? act.op.tool : act.kind)));
    for (const kind of [
      "create_run",
      "post",
      "message",
      "append",
      "complete",
      "finish",
      "atomic",
      "shared_list",
      "lock",
      "budget",
      "import",
      "stamp",
      "await",
    ])
      expect(kinds).toContain(kind);
    expect(told.some(({ cuts }) => cuts > 0)).toBe(true);
    const events = Object.values(world.found).flatMap((found) => found.events);
    expect(events.some(({ type, why }) => type === "attempt_ended" && why === "restart")).toBe(true);
    expect(events.some(({ type }) => type === "group_decided")).toBe(true);
    for (const list of [world.received, world.stamped, world.deeds, world.copied, world.used])
      expect(list).not.toEqual([]);
  });
});
