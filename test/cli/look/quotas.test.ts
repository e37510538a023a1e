/** heddle quotas: what people read, what programs get. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { quotaRows } from "../../../src/cli/look/quotas.ts";
import type { QuotasAndUse } from "../../../src/client/replies.ts";
import { problem, TestServer } from "../lib/contract-server.ts";
import { heddleHere } from "../lib/in-process.ts";

const used = { runs: 3, seats: 8, tokens_today: 950, stored_bytes: 4096 };
const free: QuotasAndUse = { quotas: {}, used: { ...used, tokens_today: null } };
let answer: QuotasAndUse = free;
let refused = false;
const server = new TestServer(({ path }) => {
  if (path === "/health") return { status: 200, body: { status: "ok" } };
  return path === "/v1/quotas" && !refused ? { status: 200, body: answer } : problem(401, "unauthorized");
});
beforeAll(() => server.start());
afterAll(() => server.stop());

const heddle = (...args: string[]) =>
  heddleHere(["quotas", ...args], { HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_x" });

describe("the rows", () => {
  it("are the tenant's as a whole, limited or not, and then the limits of each run and request", () => {
    const quotas = { runs: 3, tokens_per_day: 1000, tasks: 50, requests_per_second: 5 };
    const rows = quotaRows({ quotas, used }, Date.UTC(2026, 10, 27, 21, 30));
    expect(rows.map(({ quota, used, limit }) => [quota, used, limit])).toEqual([
      ["runs", 3, 3],
      ["total_seats", 8, undefined],
      ["tokens_per_day", 950, 1000],
      ["storage_bytes", 4096, undefined],
      ["tasks", undefined, 50],
      ["requests_per_second", undefined, 5],
    ]);
    expect(rows[2]!.frees).toBe("at midnight (UTC), in 2 h 30 min");
  });

  it("show a quota that this command does not know yet", () => {
    const quotas = { wishes: 3 } as QuotasAndUse["quotas"];
    expect(quotaRows({ quotas, used }, 0).at(-1)).toEqual({ quota: "wishes", limit: 3, frees: "" });
  });
});

describe("heddle quotas", () => {
  it("prints a table, with a dash for what is not bound or not counted", async () => {
    answer = { quotas: { runs: 100, seats: 16 }, used: { ...used, tokens_today: null } };
    const { stdout, stderr, status } = await heddle();
    const lines = stdout.trim().split("\n");
    expect(lines.map((line) => line.split(/ +/).slice(0, 3))).toEqual([
      ["QUOTA", "USED", "LIMIT"],
      ["runs", "3", "100"],
      ["total_seats", "8", "-"],
      ["tokens_per_day", "-", "-"],
      ["storage_bytes", "4096", "-"],
      ["seats", "-", "16"],
    ]);
    expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  });

  it("says that there are none, and what is used all the same", async () => {
    answer = free;
    const { stdout, stderr, status } = await heddle();
    expect(stdout).toMatch(/^runs +3 /m);
    expect({ stderr, status }).toEqual({ stderr: "There are no quotas.\n", status: 0 });
  });

  it("prints the API's own object with --json", async () => {
    answer = free;
    const { stdout, stderr } = await heddle("--json");
    expect(JSON.parse(stdout)).toEqual(free);
    expect(stderr).toBe("");
  });

  it("takes no words, and says so when the server refuses", async () => {
    expect(await heddle("acme")).toMatchObject({ status: 2 });
    refused = true;
    expect(await heddle()).toMatchObject({ status: 1, stderr: expect.stringContaining("HEDDLE_API_KEY") });
  });
});
