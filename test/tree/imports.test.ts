/** The tree teaches the rule: domain folders are pure, platform folders do I/O, and imports point one way. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nodeMajorMin } from "../../src/limits.ts";
import { version } from "../../src/version.ts";
import { importsOf, layers, violations } from "./imports.ts";

const src = join(import.meta.dirname, "../../src");
const files = Object.fromEntries(
  readdirSync(src, { recursive: true, encoding: "utf8" })
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => [name, readFileSync(join(src, name), "utf8")]),
);

describe("the tree", () => {
  it("keeps the directions of its imports, and its domain pure", () => {
    expect(Object.keys(files).length).toBeGreaterThan(100);
    expect(violations(files)).toEqual([]);
  });

  it("has a file or folder for every layer", () => {
    const present = new Set(Object.keys(files).map((path) => path.split("/")[0]!.replace(/\.ts$/, "")));
    expect(Object.keys(layers).filter((layer) => !present.has(layer))).toEqual([]);
  });

  it.each([
    ["context/a.ts", 'import { Fault } from "../errors/fault.ts";', undefined],
    ["scheduler/a.ts", 'import { taskSpecSchema } from "../contract/task-spec.ts";', "more than types"],
    ["scheduler/a.ts", 'import type { TaskSpec } from "../contract/task-spec.ts";', undefined],
    ["scheduler/a.ts", 'import { type A, type B } from "../contract/shapes.ts";', undefined],
    ["scheduler/a.ts", 'import {\n  type A,\n  b,\n} from "../contract/shapes.ts";', "more than types"],
    ["context/a.ts", 'import { decide } from "../scheduler/decide.ts";', "imports scheduler/decide.ts"],
    ["context/a.ts", 'import type { Env } from "../objects/env.ts";', "imports objects/env.ts"],
    ["errors/a.ts", 'export * from "../context/types.ts";', "imports context/types.ts"],
    ["contract/a.ts", 'import { Hono } from "hono";', "imports hono"],
    ["scheduler/a.ts", 'import { DurableObject } from "cloudflare:workers";', "imports cloudflare:workers"],
    ["http/a.ts", 'import { RunScheduler } from "../objects/run-scheduler.ts";', "more than types"],
    ["http/a.ts", 'import { findKey } from "../storage/d1/api-keys.ts";', undefined],
    ["http/a.ts", 'import { RunStore } from "../storage/run/run-store.ts";', "imports storage/run/run-store.ts"],
    ["agent/a.ts", 'const later = () => import("../objects/seat-port.ts");', "more than types"],
    ["objects/a.ts", 'import { serveSeat } from "../agent/seat.ts";', "imports agent/seat.ts"],
    ["index.ts", 'export { handleSimulated } from "./local/simulated/handle.ts";', "imports local"],
    ["client/a.ts", 'import { assert } from "../errors/assert.ts";', "imports more than types of errors/assert.ts"],
    ["cli/a.ts", 'import { Hono } from "hono";', "imports hono"],
    ["cli/a.ts", 'import { x } from "../../scripts/build.mjs";', "outside src"],
    ["helpers/a.ts", "export {};", "no place in the order"],
    ["scheduler/a.ts", "const now = Date.now();", "is to be pure and has Date.now"],
    ["context/a.ts", "export async function f() {}", "is to be pure and has async"],
    ["scheduler/a.ts", '// Date.now() is the caller\'s\nconst text = "await Math.random()";', undefined],
    ["objects/a.ts", "const now = Date.now();", undefined],
  ])("of %s with %j finds %s", (path, text, found) => {
    const wrong = violations({ [path]: text });
    if (found === undefined) expect(wrong).toEqual([]);
    else expect(wrong).toEqual([expect.stringContaining(found)]);
  });

  it("reads imports of every form", () => {
    const text = 'import "a";\nimport x, { type Y } from "b";\nimport type { Z } from "c";\nexport * as d from "d";\n';
    expect(importsOf(text)).toEqual([
      { from: "a", typeOnly: false },
      { from: "b", typeOnly: false },
      { from: "c", typeOnly: true },
      { from: "d", typeOnly: false },
    ]);
  });
});

describe("the version", () => {
  it("is the package's", () => {
    const { version: published } = JSON.parse(readFileSync(join(src, "../package.json"), "utf8"));
    expect(version).toBe(published);
  });

  it("is the newest one of the change log, in which none comes twice", () => {
    const versions = Array.from(
      readFileSync(join(src, "../CHANGELOG.md"), "utf8").matchAll(/^## (.+)$/gm),
      ([, heading]) => heading!,
    );
    expect(versions[0]).toBe(version);
    expect(new Set(versions).size).toBe(versions.length);
    for (const one of versions) expect(one).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it("of Node that it needs at least is what `heddle doctor` asks for", () => {
    const { engines } = JSON.parse(readFileSync(join(src, "../package.json"), "utf8"));
    expect(engines.node).toBe(`>=${nodeMajorMin}`);
  });
});

describe("the local keys", () => {
  const naming = (text: RegExp, among: Record<string, string>) =>
    Object.keys(among).filter((path) => text.test(among[path]!));

  it("are named by local mode alone, and by the command line, whose defaults they are", () => {
    const outside = naming(/hdl_local/, files).filter((path) => !/^(local|cli)\//.test(path));
    expect(outside).toEqual([]);
  });

  it("would be found elsewhere", () => {
    expect(naming(/hdl_local/, { "http/access.ts": 'const key = "hdl_local";' })).toEqual(["http/access.ts"]);
  });
});
