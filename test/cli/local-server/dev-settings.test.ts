/** What `npm run dev` is asked for: flags before the environment, and nothing that it would pass over without a word. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { devSettings } from "../../../scripts/lib/dev-settings.mjs";

const projectRoot = join(import.meta.dirname, "../../..");

it("is the environment's, or the usual", () => {
  expect(devSettings([], {})).toEqual({ port: 8787, state: join(projectRoot, ".heddle"), config: undefined });
  const env = { PORT: "9000", HEDDLE_STATE: "/tmp/s", HEDDLE_CONFIG: "c.toml" };
  expect(devSettings([], env)).toEqual({ port: 9000, state: "/tmp/s", config: "c.toml" });
});

it("is the flags', whatever the environment says; a folder is as seen from where npm was called", () => {
  const env = { PORT: "1", HEDDLE_STATE: "/tmp/s", INIT_CWD: "/home/me" };
  expect(devSettings(["--port", "9001", "--state=mine"], env)).toMatchObject({ port: 9001, state: "/home/me/mine" });
});

it.each([
  ['--port is "0"', ["--port", "0"], {}],
  ['PORT is "x"', [], { PORT: "x" }],
  ["'--prot'", ["--prot", "9000"], {}],
  ["'9000'", ["9000"], {}],
])("says what it can't take: %s", (said, argv, env) => {
  expect(() => devSettings(argv, env)).toThrow(said);
});

it("has a help, which starts nothing, as nothing that is wrong does", () => {
  const dev = (...argv: string[]) =>
    spawnSync(process.execPath, [join(projectRoot, "scripts/dev.mjs"), ...argv], { encoding: "utf8" });
  expect(dev("--help")).toMatchObject({ status: 0, stdout: expect.stringContaining("--state FOLDER"), stderr: "" });
  expect(dev("--prot", "1")).toMatchObject({ status: 1, stdout: "", stderr: expect.stringContaining("--help") });
});
