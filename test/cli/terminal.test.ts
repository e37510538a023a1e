import { expect, it } from "vitest";
import { Terminal } from "../../src/cli/terminal.ts";

const drawnOn = (size: { columns?: number; rows?: number }, lines: readonly string[]): string => {
  let text = "";
  const stream = { ...size, write: (part: string) => (text += part) } as unknown as NodeJS.WriteStream;
  new Terminal(stream).draw(lines);
  return text;
};

it("cuts lines that would wrap", () => {
  expect(drawnOn({ columns: 30, rows: 10 }, ["x".repeat(40)])).toBe(`${"x".repeat(28)}…\n`);
});

it("counts wide characters as two columns, and cuts none in half", () => {
  expect(drawnOn({ columns: 20, rows: 10 }, ["茶".repeat(12)])).toBe(`${"茶".repeat(9)}…\n`);
});

it("takes a terminal without a size for one of the usual size", () => {
  const lines = ["x".repeat(60), "y", "z"];
  expect(drawnOn({ columns: 0, rows: 0 }, lines)).toBe(`${lines.join("\n")}\n`);
  expect(drawnOn({}, lines)).toBe(`${lines.join("\n")}\n`);
});
