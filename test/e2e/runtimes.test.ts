/** The built client in the runtimes that it says it runs in, against a real server. Browsers and Workers have tests of their own. */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { programPath } from "./lib/program.ts";
import { projectRoot } from "./lib/server.ts";
import { sharedServer } from "./lib/shared.ts";

const { url } = sharedServer();
const client = pathToFileURL(join(projectRoot, "dist/client/index.js")).href;
const program = join(projectRoot, "test/e2e/lib/any-runtime.mjs");

const runtimes = [
  { name: "Node", path: process.execPath, args: [] },
  { name: "Bun", path: process.env.BUN ?? programPath("bun"), args: ["run"] },
  // No more than it is said to need, which is `fetch`; its client is a file here.
  { name: "Deno", path: process.env.DENO ?? programPath("deno"), args: ["run", "--allow-net", "--allow-read"] },
];

for (const { name, path, args } of runtimes) {
  const title = `the client does the same in ${name}`;
  const hint = `left out: there is no ${name} here, neither on the PATH nor as ${name.toUpperCase()}`;
  if (path === undefined) console.warn(`${title}: ${hint}`);
  it.skipIf(path === undefined)(path === undefined ? `${title} (${hint})` : title, async () => {
    const { stdout } = await promisify(execFile)(path!, [...args, program, client, url], { timeout: 15_000 });
    expect(JSON.parse(stdout)).toEqual({
      result: "well",
      fork: "forked",
      locked: 2,
      popped: ["a", "b"],
      aborted: "AbortError",
      refused: true,
      events: ["run_created", "run_ended"],
      disposed: "succeeded",
    });
  });
}
