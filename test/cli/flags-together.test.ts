/** Flags of which one would have no effect beside the other are refused, before anything is asked or done. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { heddleHere } from "./lib/in-process.ts";

const folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const job = join(folder, "job.json");
writeFileSync(job, '{"tasks": [{"instructions": "x"}]}');

/** A server that is asked would be told of: nothing listens there. */
const refused = async (args: readonly string[]) => {
  const { status, stderr } = await heddleHere(args, { HEDDLE_URL: "http://127.0.0.1:1", HEDDLE_ADMIN_SECRET: "s" });
  expect({ args, status, stderr }).toEqual({ args, status: 2, stderr });
  return stderr;
};

it.each<[string, RegExp]>([
  [`run ${job} --detach --wait-ms 5`, /--detach does not go with --wait-ms/],
  [`run ${job} --detach --workspace .`, /--workspace is served while the run is watched/],
  [`run ${job} --read-only`, /--read-only goes with --workspace/],
  ["runs --all --limit 3", /--all does not go with --limit/],
  ["show run_1 --all --limit 3", /--all does not go with --limit/],
  ["show run_1 task --state failed", /--state goes with the table/],
  ["context run_1 --json --format text", /--json is --format json, and not text/],
  ["top run_1 --once --every 3", /--once does not go with --every/],
  ["usage --csv --json", /--csv does not go with --json/],
  ["admin usage --csv --json", /--csv does not go with --json/],
  ["admin audit --all --tenant ten_a", /--tenant is one tenant and --all is all/],
  ["trace run_1 --force", /--force goes with --output FILE only/],
  ["export run_1 --force -o -", /--force goes with --output FILE only/],
  ["fork run_1 --snapshot 1 --task a", /--task does not go with --snapshot/],
  ["fork run_1 --turn 1", /--turn needs --task/],
  ["answer run_1 Q1 true --extend", /Give one of ANSWER/],
  ["answer run_1 Q1 --extend --reason no", /--reason is for/],
  ["webhook run_1 test --state failed", /--state goes with log and replay/],
  ["work --pool p --harness claude --print --json", /--print does not go with --json/],
  ["work --pool p --once --concurrency 2 -- ls", /--once runs one task/],
  ["work --pool p --session s -- ls", /--session goes with --harness/],
  ["tools --pool p --workspace . --json-lines", /--workspace has tools of its own/],
  ["tools --workspace . --print-tools -- ls", /--workspace has tools of its own/],
  ["tools --workspace . --print-tools --tool shell", /--tool is "shell"; a workspace has read_file/],
  [
    "tools --workspace . --print-tools --tool run_command",
    /--tool is "run_command", which the other flags do not allow/,
  ],
  ["tools --pool p --workspace . --read-only --allow-commands", /--read-only allows no commands/],
])("heddle %s", async (line, says) => {
  expect(await refused(line.split(" "))).toMatch(says);
});

it("of two values of a flag the last counts: an alias's can be given otherwise", async () => {
  expect(await refused(["context", "run_1", "--json", "--format", "json", "--format", "text"])).toMatch(/not text/);
});

it("what flags don't go with are flags of the same command", () => {
  for (const { flags = {} } of commands)
    for (const [name, { without = [] }] of Object.entries(flags))
      for (const other of without) expect([name, Object.keys(flags)]).toEqual([name, expect.arrayContaining([other])]);
});
