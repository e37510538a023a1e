/** The pages of docs/ are found: README names each, and what a page points at is there. */

import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dirname, normalize } from "node:path/posix";
import { expect, test } from "vitest";

const projectRoot = join(import.meta.dirname, "../..");
const read = (page: string): string => readFileSync(join(projectRoot, page), "utf8");
const withoutBlocks = (text: string): string => text.replace(/^(`{3,}).*?^\1/gms, "");
const pages = [
  ...["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"],
  ...globSync("docs/**/*.md", { cwd: projectRoot }).map((page) => page.replaceAll("\\", "/")),
].sort();

/** As the place that renders them names headings. */
const anchorsOf = (text: string): string[] =>
  [...withoutBlocks(text).matchAll(/^#+ +(.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, "")
      .replaceAll(" ", "-"),
  );

const linksOf = (text: string): string[] =>
  Array.from(withoutBlocks(text).matchAll(/\]\(([^)\s]+)\)/g), ([, link]) => link!);

/** Links of a page that lead nowhere. `look`: the text of a page, null where there is none. */
function broken(page: string, look: (page: string) => string | null): string[] {
  return linksOf(look(page)!).filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [path, anchor] = link.split("#", 2) as [string, string?];
    const target = look(path === "" ? page : normalize(join(dirname(page), path)));
    return target === null || (anchor !== undefined && !anchorsOf(target).includes(anchor));
  });
}

test("README names every page, or the first of its folder", () => {
  const readme = read("README.md");
  const own = pages.filter((page) => /^docs\/[^/]+\.md$/.test(page));
  expect(own.length).toBeGreaterThan(20);
  expect(own.filter((page) => !readme.includes(`](${page})`))).toEqual([]);
  for (const first of ["docs/commands/README.md", "docs/tutorial/1-first-run.md"])
    expect(readme).toContain(`](${first})`);
});

test.each(pages)("links of %s lead somewhere", (page) => {
  const look = (path: string) => (!existsSync(join(projectRoot, path)) ? null : path.endsWith(".md") ? read(path) : "");
  expect(broken(page, look)).toEqual([]);
});

/** Of the pages that the package brings, links to what it does not. */
function outside(page: string, text: string, brought: readonly string[]): string[] {
  const isBrought = (path: string) => brought.some((one) => path === one || path.startsWith(`${one}/`));
  return linksOf(text).filter((link) => {
    if (/^https?:|^#/.test(link)) return false;
    return !isBrought(normalize(join(dirname(page), link.split("#", 1)[0]!)).replace(/\/$/, ""));
  });
}
const { files: brought } = JSON.parse(read("package.json")) as { files: string[] };

test.each(pages.filter((page) => brought.includes(page.split("/")[0]!)))("links of %s stay in the package", (page) => {
  expect(outside(page, read(page), brought)).toEqual([]);
});

test("a link that leaves the package is found", () => {
  const text = "[a](../src/a.ts) [b](b.md#c) [e](../examples) [l](../LICENSE) [c](../CONTRIBUTING.md) [w](https://w)";
  expect(outside("docs/a.md", text, ["docs", "examples", "LICENSE"])).toEqual(["../src/a.ts", "../CONTRIBUTING.md"]);
});

test("a link to a page or a heading that is not there is found", () => {
  const tree = new Map([
    ["docs/a.md", "# A\n[b](b.md) [h](b.md#two-words) [own](#a) [no](#b) [gone](c.md) [h](b.md#other) [up](../x.md)\n"],
    ["docs/b.md", "# B\n## Two `words`\n"],
  ]);
  expect(broken("docs/a.md", (path) => tree.get(path) ?? null)).toEqual(["#b", "c.md", "b.md#other", "../x.md"]);
});

/** What the table of folders in ARCHITECTURE names, of the sources' folders and files at the top. */
const inTable = (text: string): Set<string> =>
  new Set(
    text
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .flatMap((line) => Array.from(line.split("|")[1]!.matchAll(/`([^`]+)`/g), ([, name]) => name!)),
  );

test("ARCHITECTURE's table has every folder of the sources, and none that is not there", () => {
  const there = readdirSync(join(projectRoot, "src"), { withFileTypes: true })
    .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    // The two entries, and what they wire, stand below it.
    .filter((name) => name !== "index.ts" && name !== "deployment.ts");
  expect(
    [...inTable(read("ARCHITECTURE.md"))].filter((name) => name.includes(".ts") || name.endsWith("/")).sort(),
  ).toEqual(there.sort());
});
