/** `npm run build` builds; npm's `prepare`, which comes with the first `npx heddle` too, leaves alone what is built already. */

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

let root: string;
const at = (path: string) => join(root, path);
/** In `dist` as long as that is not built anew. */
const witness = () => at("dist/witness");

/** Whether it has built. */
function build(event?: "prepare"): boolean {
  mkdirSync(at("dist"), { recursive: true });
  writeFileSync(witness(), "");
  const env = { ...process.env, npm_lifecycle_event: event ?? "build" };
  const { status, stderr } = spawnSync(process.execPath, [at("scripts/build.mjs")], { env, encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return !existsSync(witness());
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "heddle-build-"));
  cpSync(join(import.meta.dirname, "../../../scripts/build.mjs"), at("scripts/build.mjs"));
  const compiler = `require("node:fs").cpSync("src", "dist", { recursive: true });`;
  for (const [path, text] of Object.entries({
    "node_modules/typescript/lib/tsc.js": compiler,
    "src/cli/main.js": "",
    "src/client/index.js": "",
    "types/one.d.ts": "",
    "package.json": "{}",
    "tsconfig.json": "{}",
    "tsconfig.cli.json": "{}",
  })) {
    mkdirSync(join(at(path), ".."), { recursive: true });
    writeFileSync(at(path), text);
  }
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

it("prepare builds what is not there, or older than a source, and nothing else", () => {
  expect(build("prepare")).toBe(true);
  expect(build("prepare")).toBe(false);
  expect(build()).toBe(true);
  const later = new Date(Date.now() + 60_000);
  utimesSync(at("src/client/index.js"), later, later);
  expect(build("prepare")).toBe(true);
  utimesSync(at("src/client/index.js"), new Date(0), new Date(0));
  expect(build("prepare")).toBe(false);
  rmSync(at("src/client/index.js"));
  expect(build("prepare")).toBe(true);
});
