/** Files that a command writes: whole or not at all, and where that can't be, one line that says why. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, it } from "vitest";
import { outputFile, saveWhole } from "../../../src/cli/files/whole-file.ts";
import { UsageError } from "../../../src/cli/usage.ts";
import { HeddleProcess, until } from "../lib/heddle.ts";

const main = join(import.meta.dirname, "../../../src/cli/main.ts");

let folder = mkdtempSync(join(tmpdir(), "heddle whole file-"));
const folders = [folder];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "heddle whole file-"));
  folders.push(folder);
});
afterAll(() => {
  for (const one of folders) rmSync(one, { recursive: true });
});

async function* pieces(...texts: readonly string[]): AsyncGenerator<string> {
  yield* texts;
}
async function* broken(): AsyncGenerator<string> {
  yield "half";
  throw new Error("cut off");
}

it("writes all of it, and answers its bytes", async () => {
  const file = join(folder, "a ü.txt");
  expect(await saveWhole(file, pieces("é", "x"))).toBe(3);
  expect(readFileSync(file, "utf8")).toBe("éx");
});

it("leaves nothing of what breaks off", async () => {
  await expect(saveWhole(join(folder, "a"), broken())).rejects.toThrow("cut off");
  expect(readdirSync(folder)).toEqual([]);
});

/** A server whose run is one line, and no end. */
async function endless<T>(test: (env: { HEDDLE_URL: string }) => Promise<T>): Promise<T> {
  const server = createServer(({ url }, response) => {
    if (url === "/health") return void response.setHeader("content-type", "application/json").end("{}");
    response.setHeader("content-type", "application/x-ndjson").write('{"heddle_export":1}\n');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await test({ HEDDLE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

it(
  "leaves nothing of what a signal breaks off",
  () =>
    endless(async (env) => {
      const saving = new HeddleProcess(["export", "run_1", "-o", join(folder, "a")], { env });
      await until(() => existsSync(join(folder, "a.part")));
      saving.child.kill("SIGINT");
      expect((await saving.ended).status).toBe(130);
      expect(readdirSync(folder)).toEqual([]);
    }),
  30_000,
);

const isFull = existsSync("/dev/full");

it.skipIf(!isFull)(
  `says once that a full disk takes no more of stdout, and that it is no interruption${isFull ? "" : " (left out: no /dev/full)"}`,
  () =>
    endless(async (env) => {
      const command = ["sh", "-c", 'exec "$0" "$@" > /dev/full', process.execPath, main];
      const { status, stderr } = await new HeddleProcess(["export", "run_1"], { env, command }).ended;
      expect([status, stderr]).toEqual([2, "heddle: stdout can't be written: there is no room left.\n"]);
    }),
  30_000,
);

it("says why a file can't be written, also where nothing could be removed", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  for (const [path, why] of [
    [join(folder, "no such", "x"), "its folder is not there"],
    [join(file, "x"), "what it should be in is no folder"],
  ] as const) {
    const error = await saveWhole(path, pieces("x")).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toBe(`${path} can't be written: ${why}.`);
  }
  expect(existsSync(file)).toBe(true);
});

it("refuses a folder, and what is there already, before anything is asked for", () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  expect(() => outputFile({ output: folder, force: true })).toThrow(`${folder} can't be written: it is a folder.`);
  expect(() => outputFile({ output: file })).toThrow("is there already. Give --force");
  expect(outputFile({ output: file, force: true })).toBe(file);
  expect(outputFile({ output: join(file, "x") })).toBe(join(file, "x"));
  expect(outputFile({ output: "-" })).toBeUndefined();
});
