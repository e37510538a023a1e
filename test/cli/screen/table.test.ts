/** Tables fit a terminal whatever stands in them. Titles begin with the rule's id (src/cli/screen/table.ts). */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hasColours, painted } from "../../../src/cli/screen/colours.ts";
import { type Column, tableLines } from "../../../src/cli/screen/table.ts";
import { cutText, padText, textWidth } from "../../../src/cli/screen/text-width.ts";

interface Row {
  id: string;
  title: string | null;
  count: number;
}

const columns: readonly Column<Row>[] = [
  { title: "ID", of: ({ id }) => id },
  { title: "TITLE", of: ({ title }) => title, least: 6 },
  { title: "N", of: ({ count }) => count, align: "right" },
];

it("takes as many rows as a run may have tasks", () => {
  const rows = Array.from({ length: 200_000 }, (_, count) => ({ id: "T", title: null, count }));
  expect(tableLines(columns, rows, { width: 80 })).toHaveLength(rows.length + 1);
});

describe("a text's width", () => {
  it.each([
    ["", 0],
    ["kettle", 6],
    ["naïve", 5],
    ["nai\u0308ve", 5],
    ["茶壶", 4],
    ["ｋ", 2],
    ["한국", 4],
    ["👍🏽", 2],
    ["👩‍👩‍👧", 2],
    ["❤️", 2],
    ["🇳🇴", 2],
    ["a\u200bb", 2],
  ])("of %j is %d columns", (text, width) => expect(textWidth(text)).toBe(width));

  it.each([
    ["kettles", 7, "kettles"],
    ["kettles", 4, "ket…"],
    ["茶壶茶壶", 4, "茶…"],
    ["👩‍👩‍👧 family", 3, "👩‍👩‍👧…"],
    ["x", 0, ""],
  ])("%j cut to %d is %j", (text, width, cut) => expect(cutText(text, width)).toBe(cut));

  it("is what padding counts", () => expect(padText("茶", 4)).toBe("茶  "));
});

describe("a table", () => {
  it("stands in columns, numbers to the right", () => {
    const rows = [
      { id: "a", title: "茶壶", count: 5 },
      { id: "bcd", title: "kettle", count: 120 },
    ];
    expect(tableLines(columns, rows)).toEqual(["ID   TITLE     N", "a    茶壶      5", "bcd  kettle  120"]);
  });

  it("[B1] is one line a row, whatever a title does", () => {
    const lines = tableLines(columns, [{ id: "a", title: "x\n\u001b[31mred\u202eback\rover", count: 1 }]);
    expect(lines).toEqual(["ID  TITLE                N", "a   x [31mred back over  1"]);
  });

  it("[B1] is never wider than its width, and its lines are as many as its rows", () => {
    const row = fc.record({
      id: fc.string({ maxLength: 12 }),
      title: fc.option(fc.string({ unit: "grapheme", maxLength: 80 })),
      count: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 100 }), (rows, width) => {
        const lines = tableLines(columns, rows, { width });
        expect(lines.length).toBe(rows.length + 1);
        for (const line of lines) {
          expect(textWidth(line)).toBeLessThanOrEqual(width);
          expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
        }
      }),
    );
  });

  it("[B2] cuts the column that may be cut, and no id", () => {
    const lines = tableLines(columns, [{ id: "run_1", title: "a very long title indeed", count: 12 }], { width: 20 });
    expect(lines).toEqual(["ID     TITLE       N", "run_1  a very l…  12"]);
  });

  it("[B3] leaves out what nobody has", () => {
    expect(tableLines(columns, [{ id: "a", title: null, count: 1 }])).toEqual(["ID  N", "a   1"]);
    expect(tableLines(columns, [])).toEqual([]);
  });

  it("paints cells and not the room between them", () => {
    const [, line] = tableLines(
      [{ ...columns[0]!, colour: () => "red" }, columns[2]!],
      [{ id: "a", title: null, count: 1 }],
      {
        paint: painted,
      },
    );
    expect(line).toBe("\u001b[31ma\u001b[0m   1");
  });
});

it.each([
  [{ isTTY: true }, {}, true],
  [{ isTTY: false }, {}, false],
  [{}, {}, false],
  [{ isTTY: true }, { NO_COLOR: "1" }, false],
  [{ isTTY: true }, { NO_COLOR: "" }, true],
  [{ isTTY: true }, { TERM: "dumb" }, false],
])("a stream %j with %j has colours: %s", (stream, env, has) => expect(hasColours(stream, env)).toBe(has));
