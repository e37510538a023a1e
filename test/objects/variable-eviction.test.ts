/** A variable's object that loses its memory between any two ops answers as if nothing had been, repeats included. */

import { evictDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { bindings, makeRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const ops: readonly (readonly [what: string, callId: string, tool: string, args: object])[] = [
  ["add", "c1", "atomic", { op: "add", name: "v", delta: 2 }],
  ["repeat the add", "c1", "atomic", { op: "add", name: "v", delta: 2 }],
  ["compare and set", "c2", "atomic", { op: "compare_and_set", name: "v", expected: 2, value: 7 }],
  ["repeat the comparison", "c2", "atomic", { op: "compare_and_set", name: "v", expected: 2, value: 7 }],
  ["compare in vain", "c3", "atomic", { op: "compare_and_set", name: "v", expected: 2, value: 9 }],
  ["add again", "c4", "atomic", { op: "add", name: "v", delta: 1 }],
  ["get", "c5", "atomic", { op: "get", name: "v" }],
];

async function play(evicts: (step: number) => boolean): Promise<unknown[]> {
  const run = await makeRun();
  const seen: unknown[] = [];
  for (const [i, [what, callId, tool, args]] of ops.entries()) {
    // Before its first op there is no object.
    if (i > 0 && evicts(i)) await evictDurableObject(bindings.VARIABLES.getByName(`${run.tenant}/${run.id}/v`));
    seen.push([what, value(await run.rpc.callTool({ tool, callId, arguments: JSON.stringify(args), waitMs: 0 }))]);
  }
  return seen;
}

describe("a variable whose object is evicted", () => {
  it.each(ops.map(([what], i) => [what, i] as const).slice(1))("before it is to %s", async (_, at) => {
    const undisturbed = await play(() => false);
    expect(undisturbed.at(-1)).toEqual(["get", { result: { value: 8 } }]);
    expect(await play((step) => step === at)).toEqual(undisturbed);
  });

  it("before every op", async () => {
    expect(await play(() => true)).toEqual(await play(() => false));
  });
});
