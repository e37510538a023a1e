/** Processes by pid and start time: what a killed server left is ended, and nobody else's. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cpuMsOf, endFamily, familyOf, identify, isSame } from "../../../scripts/lib/processes.mjs";
import { StateFolder } from "../../../scripts/lib/state-folder.mjs";
import { until } from "../lib/heddle.ts";

const children: ChildProcess[] = [];
let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "heddle-test-"));
});
afterEach(() => {
  for (const child of children.splice(0)) {
    for (const { pid } of familyOf(child.pid!)) process.kill(pid, "SIGKILL");
  }
  rmSync(path, { recursive: true, force: true });
});

/** A process that leads a group with one child of its own. */
async function family(): Promise<number> {
  const program = `require("child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]); setInterval(() => {}, 1000)`;
  const child = spawn(process.execPath, ["-e", program], { detached: true, stdio: "ignore" });
  children.push(child);
  await until(() => familyOf(child.pid!).length === 2);
  return child.pid!;
}

describe("a recorded family", () => {
  it("is ended whole, also when its leader was killed before", async () => {
    const leader = await family();
    const members = familyOf(leader);
    process.kill(leader, "SIGKILL");
    await until(() => identify(leader) === undefined);
    expect(await endFamily({ leader: members[0]!, members })).toBe(1);
    expect(members.filter((member) => isSame(member))).toEqual([]);
  });

  it("is ended with members that came after the record, while one recorded member lives", async () => {
    const leader = await family();
    const all = familyOf(leader);
    const recorded = all.filter(({ pid }) => pid === leader);
    expect(await endFamily({ leader: recorded[0]!, members: recorded })).toBe(2);
    expect(all.filter((member) => isSame(member))).toEqual([]);
  });

  it("is left alone when its pids now belong to others", async () => {
    const leader = await family();
    const strangers = familyOf(leader).map((member) => ({ ...member, start: "another time" }));
    expect(await endFamily({ leader: strangers[0]!, members: strangers })).toBe(0);
    expect(familyOf(leader)).toHaveLength(2);
  });
});

it("the processor time of processes is theirs alone: one that idles has none more", async () => {
  const idle = familyOf(await family());
  const [own, before] = [identify(process.pid)!, cpuMsOf(idle)];
  const ownBefore = cpuMsOf([own]);
  for (const begun = process.cpuUsage().user; process.cpuUsage().user - begun < 300_000; ) Math.sqrt(begun);
  expect(cpuMsOf([own]) - ownBefore).toBeGreaterThanOrEqual(200);
  expect(cpuMsOf(idle) - before).toBeLessThan(200);
  expect(cpuMsOf([{ ...own, start: "another time" }])).toBe(0);
});

describe("a state folder", () => {
  it("is taken by one at a time, which the second one is told", async () => {
    const first = new StateFolder(path);
    await first.take("http://127.0.0.1:1");
    await expect(new StateFolder(path).take("http://127.0.0.1:2")).rejects.toThrow(
      /already running at http:\/\/127\.0\.0\.1:1 \(process \d+\)/,
    );
    first.release();
    await new StateFolder(path).take("http://127.0.0.1:2");
  });

  it("that can't be made is named, with what to set", () => {
    const file = join(path, "file");
    writeFileSync(file, "");
    expect(() => new StateFolder(file)).toThrow(/state folder .*file can't be made \(EEXIST\)\. Set HEDDLE_STATE/);
  });

  it("of a killed owner is taken over, and what it left is ended", async () => {
    const leader = await family();
    const members = familyOf(leader);
    const owner = { pid: process.pid, start: "before the last boot" };
    writeFileSync(join(path, "server.json"), JSON.stringify({ owner, url: "u", leader: members[0], members }));
    expect(await new StateFolder(path).take("http://127.0.0.1:2")).toEqual({ ended: 2 });
    expect(identify(leader)).toBeUndefined();
  });

  it("survives a torn record", async () => {
    writeFileSync(join(path, "server.json"), '{"owner": {"pi');
    expect(await new StateFolder(path).take("u")).toEqual({ ended: 0 });
  });

  it("keeps one secret, for this user only", () => {
    const secret = new StateFolder(path).secret("secret");
    expect(secret).toMatch(/^[0-9a-f]{64}$/);
    expect(new StateFolder(path).secret("secret")).toBe(secret);
    expect(new StateFolder(path).secret("another")).not.toBe(secret);
    expect(statSync(join(path, "secret")).mode & 0o777).toBe(0o600);
  });
});
