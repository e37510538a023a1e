/** `heddle doctor`: each thing that can be wrong is told with what to do, and makes the status 1. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Check,
  clockCheck,
  harnessCheck,
  keyCheck,
  modelsCheck,
  nodeCheck,
  poolCheck,
  type Seen,
  scopesCheck,
  serverCheck,
  terminalCheck,
  versionCheck,
} from "../../../src/cli/doctor/check.ts";
import type { AboutView } from "../../../src/client/index.ts";
import { clockSkewMs } from "../../../src/limits.ts";
import { version } from "../../../src/version.ts";
import { type Answer, problem, TestServer } from "../lib/contract-server.ts";
import { heddleHere } from "../lib/in-process.ts";
import { StandIns } from "../lib/stand-in.ts";

const about = (more: Partial<AboutView> = {}): AboutView => ({
  ...{ version, at: Date.now(), tenant: "t", scopes: ["runs", "workers"] as AboutView["scopes"] },
  models: { anthropic: "provider", openai: "provider" },
  ...more,
});
const seen = (status: number, body: unknown = {}): Seen => ({ status, body, tookMs: 3 });

describe("what is seen", () => {
  it.each([
    ["Node 18", nodeCheck("18.20.1", 18), "ok", /Node 18\.20\.1/],
    ["Node 16", nodeCheck("16.3.0", 18), "wrong", /too old/],
    ["a ready server", serverCheck("u", seen(200, { status: "ready" })), "ok", /u is ready/],
    [
      "no server",
      serverCheck("u", { away: "connect ECONNREFUSED" }),
      "wrong",
      /can't be reached: connect ECONNREFUSED/,
    ],
    [
      "one without migrations",
      serverCheck("u", seen(503, { code: "not_ready", detail: "missing: the migrations" })),
      "wrong",
      /not ready: missing: the migrations/,
    ],
    ["another server", serverCheck("u", seen(200, "<html>")), "wrong", /answers 200, but not as Heddle does/],
    ["a key", keyCheck(seen(200, about()), false), "ok", /valid, tenant t, scopes runs, workers/],
    [
      "a wrong key",
      keyCheck(seen(401, { detail: "the key is unknown or revoked" }), false),
      "wrong",
      /refused: the key is unknown or revoked/,
    ],
    ["no key at a server that is not local", keyCheck(seen(401), true), "wrong", /HEDDLE_API_KEY is not set/],
    ["a proxy's page", keyCheck(seen(200, "<html>"), false), "wrong", /something else than Heddle answers/],
    ["a proxy's null", keyCheck(seen(200, null), false), "wrong", /something else than Heddle answers/],
    ["an old server", keyCheck(seen(404), false), "note", /too old to tell/],
    ["a server in trouble", keyCheck(seen(500, { detail: "oh" }), false), "wrong", /oh/],
    ["both scopes", scopesCheck(about(), ["p"]), "ok", /runs, and leasing/],
    ["a key for runs", scopesCheck(about({ scopes: ["runs"] }), []), "note", /needs a key with the scope workers/],
    ["a key for runs, with a pool", scopesCheck(about({ scopes: ["runs"] }), ["p"]), "wrong", /may not lease/],
    ["a key for workers", scopesCheck(about({ scopes: ["workers"] }), ["p"]), "note", /only lease/],
    ["the same version", versionCheck("1.2.3", "1.2.3"), "ok", /the server is 1\.2\.3, this command 1\.2\.3/],
    ["a patch apart", versionCheck("1.2.4", "1.2.3"), "note", /the server is 1\.2\.4, this command 1\.2\.3/],
    ["a minor apart", versionCheck("1.3.0", "1.2.3"), "wrong", /1\.3\.0/],
    ["a newer server", versionCheck("0.10.0", "0.9.4"), "wrong", /0\.9\.4: the server is newer, and may answer/],
    ["an older server", versionCheck("0.9.4", "0.10.0"), "wrong", /0\.10\.0: the server is older, and may refuse/],
    ["an older major", versionCheck("1.9.4", "2.0.0"), "wrong", /the server is older/],
    ["a build of the same version", versionCheck("1.2.3+dev", "1.2.3"), "note", /1\.2\.3\+dev/],
    ["providers", modelsCheck(about()), "ok", /a provider answers contexts of format anthropic, openai/],
    [
      "a simulated model",
      modelsCheck(about({ models: { anthropic: "simulated", openai: "provider" } })),
      "note",
      /of format openai; the simulated model answers anthropic/,
    ],
    [
      "one provider",
      modelsCheck(about({ models: { anthropic: "provider", openai: "none" } })),
      "note",
      /nothing answers openai/,
    ],
    ["no provider", modelsCheck(about({ models: { anthropic: "none", openai: "none" } })), "wrong", /no_provider/],
    ["a clock", clockCheck(1e6, 1e6 + clockSkewMs, 0), "ok", /agrees/],
    ["a clock ahead", clockCheck(1e6, 1e6 + 90_000, 10), "wrong", /1 min 30 s ahead/],
    ["a clock behind", clockCheck(1e6, 1e6 - 90_000, 10), "wrong", /1 min 30 s behind/],
    ["a slow answer", clockCheck(1e6, 1e6 + 9000, 5000), "ok", /agrees/],
    ["a pool", poolCheck("p", seen(200, { workers: [{}] })), "ok", /1 worker$/],
    ["an empty pool", poolCheck("p", seen(200, { workers: [] })), "wrong", /no worker has asked/],
    ["a pool of an older server", poolCheck("p", seen(404)), "note", /does not tell/],
    ["a pool that is none", poolCheck("P", seen(422, { detail: "a pool's name" })), "wrong", /a pool's name/],
    ["a harness", harnessCheck({ claude: "2.1.0", codex: undefined }), "ok", /claude 2\.1\.0, codex not installed/],
    ["no harness", harnessCheck({ claude: undefined }), "note", /claude not installed/],
    ["a terminal", terminalCheck(true, true, {}), "ok", /colours/],
    ["NO_COLOR", terminalCheck(true, false, { NO_COLOR: "1" }), "note", /NO_COLOR is set/],
    ["a dumb one", terminalCheck(true, false, { TERM: "dumb" }), "note", /TERM is dumb/],
    ["a pipe", terminalCheck(false, false, {}), "note", /no terminal/],
  ] as [string, Check, Check["state"], RegExp][])("%s is judged", (_, check, state, message) => {
    expect(check.state).toBe(state);
    expect(check.message).toMatch(message);
    if (state === "wrong") expect(check.fix).toMatch(/\.$|COMMAND$/);
  });
});

describe("heddle doctor", () => {
  let answers: Record<string, Answer>;
  const server = new TestServer(({ path }) => answers[path] ?? problem(404, "not_found"));
  beforeAll(async () => {
    await server.start();
  });
  afterAll(() => server.stop());
  const well = (): Record<string, Answer> => ({
    "/health": { status: 200, body: { status: "ready" } },
    "/v1/about": { status: 200, body: about() },
    "/v1/pools/shell": { status: 200, body: { pool: "shell", workers: [{ name: "w" }], waiting: 0 } },
  });
  const doctor = (args: string[] = [], env = {}) =>
    heddleHere(["doctor", ...args], { HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_test", PATH: "/nowhere", ...env });
  const states = (text: string) =>
    Object.fromEntries((JSON.parse(text) as { checks: Check[] }).checks.map(({ name, state }) => [name, state]));

  it("has status 0 where all is well, and says what is", async () => {
    answers = well();
    const { status, stdout } = await doctor(["--pool", "shell"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ok {7}node {8}Node \d+\.\d+\.\d+$/m);
    expect(stdout).toMatch(/^ok {7}pool shell {2}1 worker$/m);
    expect(stdout).toMatch(/^note {5}terminal {4}stdout is no terminal/m);
    expect(
      server.calls.find(({ path }) => path === "/health")!.headers.authorization,
      "no key where none is needed",
    ).toBeUndefined();
  });

  it("says which harnesses this machine has", async () => {
    answers = well();
    const folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
    try {
      const { stdout } = await doctor([], { PATH: new StandIns(folder, ["codex"]).path });
      expect(stdout).toMatch(/^ok {7}harnesses {2}.*codex 9\.8\.7 \(stand-in\)/m);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("has status 1 where one thing is wrong, with what to do, and goes on", async () => {
    answers = { ...well(), "/v1/about": { status: 200, body: about({ version: "9.0.0" }) } };
    const { status, stdout } = await doctor(["--pool", "shell", "--pool", "none"]);
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /^wrong {4}version {5}the server is 9\.0\.0, this command \d+\.\d+\.\d+: the server is newer, and may answer what this command does not know\n {21}→ Update this command to 9\.0\.0 \(npm install heddle@9\.0\.0\)\.$/m,
    );
    expect(stdout).toMatch(/^note {5}pool none {3}this server does not tell/m);
  });

  it("skips what can't be asked", async () => {
    answers = { ...well(), "/v1/about": problem(401, "unauthorized") };
    const refused = await doctor(["--json", "--pool", "shell"]);
    expect(refused.status).toBe(1);
    expect(JSON.parse(refused.stdout).ok).toBe(false);
    const afterKey = {
      scopes: "skipped",
      version: "skipped",
      models: "skipped",
      clock: "skipped",
      "pool shell": "skipped",
    };
    expect(states(refused.stdout)).toEqual({
      node: "ok",
      server: "ok",
      key: "wrong",
      ...afterKey,
      harnesses: "note",
      terminal: "note",
    });
    answers = { ...well(), "/health": problem(503, "not_ready", { detail: "missing: HEDDLE_SECRET" }) };
    expect(states((await doctor(["--json", "--pool", "shell"])).stdout)).toEqual({
      node: "ok",
      server: "wrong",
      key: "skipped",
      ...afterKey,
      harnesses: "note",
      terminal: "note",
    });
  });

  it("takes wrong settings for findings", async () => {
    answers = well();
    expect(states((await doctor(["--json"], { HEDDLE_URL: "localhost" })).stdout)).toMatchObject({
      server: "wrong",
      key: "skipped",
    });
    expect(states((await doctor(["--json"], { HEDDLE_API_KEY: "two words" })).stdout)).toMatchObject({
      server: "ok",
      key: "wrong",
      models: "skipped",
    });
    const away = await doctor([], { HEDDLE_URL: "http://127.0.0.1:9" });
    expect(away.stdout).toMatch(
      /^wrong {4}server {5}http:\/\/127\.0\.0\.1:9 can't be reached: .*\n +→ Start one with `npm run dev`/m,
    );
    expect(away.status).toBe(1);
  });
});
