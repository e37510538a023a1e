/** `heddle admin`: an act takes its own flags, and refuses those of others before it does anything. */

import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { adminCommand } from "../../../src/cli/admin/admin-command.ts";
import { TestServer } from "../lib/contract-server.ts";
import { heddleHere } from "../lib/in-process.ts";

const asked: string[] = [];
const server = new TestServer(({ method, path }) => {
  if (path !== "/health") asked.push(`${method} ${path}`);
  return { status: 200, body: { created: 0, sent: 0, refused: 0, waiting: 0, configured: true, error: null } };
});
beforeAll(() => server.start());
afterAll(() => server.stop());
afterEach(() => {
  asked.length = 0;
});
const admin = (line: string) => heddleHere(["admin", ...line.split(" ")], { HEDDLE_URL: server.url });

it("pushes all tenants' usage only where nobody has named one", async () => {
  const { stderr, status } = await admin("billing push --tenant ten_a");
  expect(stderr).toContain("heddle admin billing push takes no --tenant; it goes with billing list, export, retry.");
  expect({ status, asked }).toEqual({ status: 2, asked: [] });
  expect(await admin("billing push --open-hours --json")).toMatchObject({ status: 0 });
  expect(asked).toEqual(["POST /admin/billing/push"]);
});

it("says which act a flag belongs to, of the same thing first", async () => {
  for (const [line, goesWith] of [
    ["billing set ten_a cus_1 --tenant ten_b", "billing list, export, retry"],
    ["keys rotate ten_a key_1 --name ci", "keys create"],
    ["tenants delete ten_a --set runs=1 --yes", "tenants quotas"],
    [
      "tenants show ten_a --tenant ten_b",
      "credentials list, set, delete; rules list, set, delete; prices list, set, delete; ",
    ],
    ["sweep --csv", "usage list"],
    ["credentials reseal --tenant ten_a", "credentials list, set, delete"],
    ["credentials delete main --default", "credentials set"],
  ] as const) {
    const { stderr, status } = await admin(line);
    expect(stderr, line).toContain(`; it goes with ${goesWith}`);
    expect({ line, status, asked }).toEqual({ line, status: 2, asked: [] });
  }
});

it("refuses one tenant and all of them at once", async () => {
  expect(await admin("audit --all --tenant ten_a")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("--all"),
  });
  expect(asked).toEqual([]);
});

it("has an act for each of its flags", async () => {
  // An act that takes none, asked with each flag in turn.
  for (const [flag, { value, choices }] of Object.entries(adminCommand.flags!)) {
    if (flag === "json") continue;
    const { stderr } = await admin(["sweep", `--${flag}`, ...(value ? [choices?.[0] ?? "1"] : [])].join(" "));
    expect(stderr).toMatch(new RegExp(`takes no --${flag}; it goes with [a-z]+ [a-z, ]+`));
  }
});
