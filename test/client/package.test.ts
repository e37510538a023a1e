/** The package as it is published: its exports resolve, its types are whole, nothing in it is unexplained, and it runs on the web alone. */

import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { checkPackage, Package } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { undocumented } from "./undocumented.ts";

const projectRoot = join(import.meta.dirname, "../..");
const built = mkdtempSync(join(tmpdir(), "heddle-package-"));
const manifest = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8"));
const entries = Object.values(manifest.exports as Record<string, { types: string; default: string }>);

beforeAll(() => {
  const compiler = join(projectRoot, "node_modules/typescript/lib/tsc.js");
  const args = ["-p", "tsconfig.cli.json", "--outDir", join(built, "dist")];
  const build = spawnSync(process.execPath, [compiler, ...args], { cwd: projectRoot, encoding: "utf8" });
  expect(build).toMatchObject({ status: 0, stdout: "" });
  for (const file of ["package.json", "README.md", "LICENSE"]) cpSync(join(projectRoot, file), join(built, file));
}, 60_000);
afterAll(() => rmSync(built, { recursive: true, force: true }));

const statement =
  /(?:^|\n)\s*(?:import|export)\b(?:[^;"'`]*?\bfrom)? ?"(?<static>[^"\n]+)"|\bimport\("(?<dynamic>[^"\n]+)"\)/g;

/** Relative paths of all files that a compiled module reaches, and what it names outside. */
function reached(entry: string): { files: string[]; packages: string[] } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string) => {
    if (files.has(file)) return;
    files.add(file);
    for (const { groups } of readFileSync(file, "utf8").matchAll(statement)) {
      const from = (groups!.static ?? groups!.dynamic)!;
      if (from.startsWith("."))
        visit(join(dirname(file), file.endsWith(".d.ts") ? from.replace(/(\.d)?\.[jt]s$/, ".d.ts") : from));
      else packages.add(from);
    }
  };
  visit(join(built, entry));
  return { files: [...files].map((file) => relative(built, file)), packages: [...packages] };
}

describe("the package", () => {
  it("has the pages that help and messages of the command name", () => {
    const named = globSync("src/{cli,errors}/**/*.ts", { cwd: projectRoot }).flatMap(
      (file) => readFileSync(join(projectRoot, file), "utf8").match(/docs\/[\w/-]+\.md/g) ?? [],
    );
    expect(named).toContain("docs/harnesses.md");
    expect(named.filter((page) => !existsSync(join(projectRoot, page)))).toEqual([]);
    expect(manifest.files).toContain("docs");
  });

  it("is without faults for publint", async () => {
    const { messages } = await publint({ pkgDir: built, level: "suggestion", strict: true, pack: false });
    expect(messages.map((message) => formatMessage(message, manifest))).toEqual([]);
  });

  it("has types that resolve everywhere that knows ES modules and exports", async () => {
    const files: Record<string, string> = {};
    for (const file of globSync("{package.json,dist/**}", { cwd: built, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const path = join(file.parentPath, file.name);
      files[`/node_modules/heddle/${relative(built, path)}`] = readFileSync(path, "utf8");
    }
    const analysis = await checkPackage(new Package(files, manifest.name, manifest.version));
    // It is ES modules only: `require` gets them as such, and resolution of before there were exports sees the main entry alone.
    const meant = (kind: string) => kind === "CJSResolvesToESM" || kind === "NoResolution";
    const problems = (analysis as { problems: { kind: string; resolutionKind?: string }[] }).problems;
    expect(problems.filter(({ kind }) => !meant(kind))).toEqual([]);
    const unresolved = problems.filter(({ kind }) => kind === "NoResolution");
    expect(unresolved.every(({ resolutionKind }) => resolutionKind === "node10")).toBe(true);
  }, 30_000);

  // A peer that nothing imports is not harmless: npm weighs its own peers even where it is optional, and one whose peers contradict one
  // another makes `npm install` fail in an empty project.
  it("has as peers just the packages that its entries import", () => {
    const imported = entries.flatMap(({ types, default: module }) => [
      ...reached(types).packages,
      ...reached(module).packages,
    ]);
    expect(Object.keys(manifest.peerDependencies)).toEqual([...new Set(imported)].sort());
    expect(Object.keys(manifest.peerDependenciesMeta)).toEqual(Object.keys(manifest.peerDependencies));
  });

  it("explains every exported symbol, and every method of an exported class", () => {
    expect(entries.flatMap(({ types }) => undocumented(join(built, types)))).toEqual([]);
  });
});

describe("the client", () => {
  it("imports nothing, so that it runs wherever there is fetch", () => {
    const { files, packages } = reached(manifest.exports["./client"].default);
    expect(packages).toEqual([]);
    expect(files.filter((file) => !/^dist\/(client|limits|version|context\/types|contract|errors)/.test(file))).toEqual(
      [],
    );
  });

  it("compiles in a strict project of somebody else's, its declarations included, without DOM's newest and Node's types", () => {
    const project = join(built, "consumer");
    mkdirSync(join(project, "node_modules"), { recursive: true });
    symlinkSync(built, join(project, "node_modules/heddle"));
    const options = {
      strict: true,
      target: "ES2022",
      module: "NodeNext",
      lib: ["ES2022", "DOM"],
      types: [],
      noEmit: true,
    };
    const files = {
      "package.json": '{"type": "module"}',
      "tsconfig.json": JSON.stringify({
        compilerOptions: { ...options, skipLibCheck: false, preserveSymlinks: true },
        files: ["index.ts"],
      }),
      "index.ts": `import { Heddle } from "heddle/client";
        const run = await new Heddle({ url: "x" }).runs.create();
        const task = await run.tasks.create<number>({ instructions: "x" });
        export const text: string = (await task.result()).toFixed();`,
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
    const compiler = join(projectRoot, "node_modules/typescript/lib/tsc.js");
    const compiled = spawnSync(process.execPath, [compiler, "-p", project], { encoding: "utf8" });
    expect(compiled).toMatchObject({ status: 0, stdout: "" });
  });

  it("has types that need no package", () => {
    const { packages } = reached(manifest.exports["./client"].types);
    expect(packages).toEqual([]);
  });
});
