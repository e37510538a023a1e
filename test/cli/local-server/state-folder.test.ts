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

it("keeps a secret, and makes one anew of which a crash has left nothing", () => {
  const state = new StateFolder(join(folder, "secrets"));
  const made = state.secret("secret");
  expect(made).toMatch(/^[0-9a-f]{64}$/);
  expect(state.secret("secret")).toBe(made);
  writeFileSync(state.file("secret"), "");
  const again = state.secret("secret");
  expect(again).toMatch(/^[0-9a-f]{64}$/);
  expect(again).not.toBe(made);
  expect(state.secret("secret")).toBe(again);
});

it("says which secret it can't read", () => {
  const state = new StateFolder(join(folder, "no-secret"));
  mkdirSync(state.file("secret"));
  expect(() => state.secret("secret")).toThrow(/secret can't be read or written \(EISDIR\).*move it away/);
});
