/** `heddle admin sweep`: the passes, the runs that can't be visited, and a status for what watches a server. */

import { afterAll, beforeAll, expect, it } from "vitest";
import type { Sweep } from "../../../src/client/replies.ts";
import { TestServer } from "../lib/contract-server.ts";
import { heddleHere } from "../lib/in-process.ts";

let sweep: Sweep;
const server = new TestServer(({ path }) => ({ status: 200, body: path === "/admin/sweep" ? sweep : {} }));
beforeAll(() => server.start());
afterAll(() => server.stop());
const told = () => heddleHere(["admin", "sweep"], { HEDDLE_URL: server.url });

it("has a line for each pass, with status 0 while every run can be visited", async () => {
  const pass = { began_at: 1_790_000_000_000, visited: 4, failed: 0 };
  sweep = {
    passes: [
      { name: "ended", ended_at: 1_790_000_000_062, ...pass },
      { name: "live", ended_at: null, ...pass },
    ],
    failing_count: 0,
    failing: [],
  };
  const { stdout, stderr, status } = await told();
  expect(stdout).toMatch(
    /^PASS +BEGAN +TOOK +VISITED +FAILED\nended +2026-[-\d]+ [\d:]+ +62 ms +4 +0\nlive .* - +4 +0\n$/,
  );
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  sweep = { ...sweep, passes: [] };
  expect(await told()).toMatchObject({ status: 0, stdout: "", stderr: expect.stringContaining("has not come yet") });
});

it("names the runs that can't be visited, with status 1", async () => {
  const failing = { tenant: "ten_1", run: "run_1", passes: 5, since: 1, last_at: 2, error: "broken\nin two" };
  sweep = { passes: [], failing_count: 1, failing: [failing] };
  const { stdout, stderr, status } = await told();
  expect(stdout).toMatch(/^TENANT +RUN +PASSES +SINCE +ERROR\nten_1 +run_1 +5 +1970.* broken in two$/m);
  expect(stderr).toContain("1 run could not be visited several passes in a row.");
  expect(status).toBe(1);
});
