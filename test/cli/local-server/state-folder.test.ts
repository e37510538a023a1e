/** A state folder that can't be is told of at once. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { startDev } from "../../../scripts/lib/dev-server.mjs";
import { StateFolder } from "../../../scripts/lib/state-folder.mjs";

const folder = mkdtempSync(join(tmpdir(), "heddle-state-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("makes the folders above it", () => {
  const path = join(folder, "a", "b");
  expect(new StateFolder(path).path).toBe(path);
  expect(new StateFolder(path).path).toBe(path);
});

it.skipIf(process.platform !== "linux")("gives up where the system lets nobody make one", () => {
  expect(() => new StateFolder("/proc/heddle/state")).toThrow("can't be made (ENOENT). Set HEDDLE_STATE");
});

it("gives up where a file stands", () => {
  writeFileSync(join(folder, "file"), "");
  expect(() => new StateFolder(join(folder, "file"))).toThrow("can't be made (EEXIST)");
  expect(() => new StateFolder(join(folder, "file", "below"))).toThrow("can't be made (ENOTDIR)");
});

it("says which log it can't write", async () => {
  const state = join(folder, "with-log");
  mkdirSync(join(state, "server.log"), { recursive: true });
  await expect(startDev({ state, port: 0, environment: {} })).rejects.toThrow("can't be written (EISDIR)");
});
