/** Files as they pass the client: whole lines from any chunks, and nothing of a broken file taken for whole. */

import { describe, expect, it } from "vitest";
import { lineDigest, webDigest } from "../../src/client/line-digest.ts";
import { checkedLines, linesOf, requestsOf } from "../../src/client/run-files.ts";
import { digestOf, noDigest } from "../../src/context/line-digest.ts";

async function* of<T>(...items: T[]): AsyncGenerator<T> {
  yield* items;
}
async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const body = ['{"heddle_export":1}', '{"task":{"id":"é \u{1F600}"}}'];
const end = JSON.stringify({ end: true, lines: 2, digest: body.reduce(digestOf, noDigest) });
const file = [...body, end];

describe("a run's file", () => {
  it("has the same digest on every platform", async () => {
    const before = digestOf(noDigest, "first");
    for (const digest of [webDigest, await lineDigest()])
      expect(await digest(before, "é \u{1F600}")).toBe(digestOf(before, "é \u{1F600}"));
  });

  it("has the same lines however its bytes come", async () => {
    const bytes = new TextEncoder().encode(`${file.join("\n")}\n`);
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.slice(i * size, (i + 1) * size),
      );
      expect(await all(linesOf(of(...chunks)))).toEqual(file);
    }
  });

  it("passes when it is whole", async () => {
    expect(await all(checkedLines(of(...file)))).toEqual(file);
  });

  it("is whole with Windows' line breaks, with a mark of its bytes' order, and without a last break", async () => {
    const bytes = new TextEncoder().encode(`\ufeff${file.join("\r\n")}\r`);
    expect(await all(checkedLines(linesOf(of(bytes))))).toEqual(file);
  });

  it.each([
    ["is cut off", body, "cut off after 2 lines"],
    ["is empty", [], "cut off after 0 lines"],
    ["lacks a line", [body[0]!, end], "changed"],
    ["has a changed byte", [body[0]!, body[1]!.replace("é", "e"), end], "changed"],
    ["goes on after its end", [...file, body[1]!], "follows the last line"],
    ["has half a last line", [...body, end.slice(0, 20)], "cut off"],
  ])("is refused when it %s", async (_, lines, why) => {
    await expect(all(checkedLines(of(...lines)))).rejects.toMatchObject({
      name: "BrokenExport",
      message: expect.stringContaining(why),
    });
  });

  it("tells the problem that a server ended it with", async () => {
    const problem = JSON.stringify({ problem: { code: "run_changing", status: 409, title: "t" } });
    await expect(all(checkedLines(of(body[0]!, problem)))).rejects.toMatchObject({ code: "run_changing", status: 409 });
  });

  it("goes in requests of a bounded size, a line in one piece", async () => {
    const long = JSON.stringify({ piece: "x".repeat(3_000_000) });
    const requests = await all(requestsOf(of(long, long, long, end)));
    expect(requests.map(({ after, count }) => [after, count])).toEqual([
      [0, 2],
      [2, 2],
    ]);
    expect(requests.map(({ text }) => text).join("")).toBe(`${[long, long, long, end].join("\n")}\n`);
  });
});
