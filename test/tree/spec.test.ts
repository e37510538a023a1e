/** Numbered rules: tests and comments name them by their ids, so an id is one rule's. */

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");
const specs = globSync("src/**/SPEC.md", { cwd: root });
const idsIn = (text: string) => Array.from(text.matchAll(/^- \*\*\[([A-Z]+\d+)\]\*\*/gm), ([, id]) => id!);

it("finds the rules", () => {
  expect(specs.length).toBeGreaterThan(1);
  expect(idsIn("- **[A1]** one\n- **[A1]**† two, after [A1]\n")).toEqual(["A1", "A1"]);
});

it.each(specs)("%s has each id once", (path) => {
  const ids = idsIn(readFileSync(join(root, path), "utf8"));
  expect(ids.length).toBeGreaterThan(10);
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
});
