/** `npm run demo` does its work and says so, says what is wrong, and cleans up when it is left. */

import { existsSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { until } from "./lib/log.ts";
import { projectRoot } from "./lib/server.ts";
import { sharedServer } from "./lib/shared.ts";
import { run, started } from "./lib/typed.ts";

const server = sharedServer();

describe("npm run demo", () => {
  it.each([
    ["nonsense", "", 'HEDDLE_URL is "nonsense", which is not an address.'],
    ["http://127.0.0.1:1", "", "http://127.0.0.1:1 can't be reached"],
    [undefined, "hdl_of_nobody", "(unauthorized)"],
  ])("with the server %s and the key %s says what is wrong, without a stack", async (url, key, said) => {
    const env = { HEDDLE_URL: url ?? server.url, HEDDLE_API_KEY: key };
    const { status, output } = await run("npm", ["run", "demo"], env);
    expect(status).toBe(1);
    expect(output).toContain(said);
    expect(output).not.toMatch(/^ +at /m);
  });

  it("forks a task per file and folder of this repository, and writes a report of them", async () => {
    const report = join(projectRoot, "heddle-report.md");
    rmSync(report, { force: true });
    // On a server of its own, as README has it.
    const { status, output } = await run("npm", ["run", "demo"], { HEDDLE_URL: "", HEDDLE_API_KEY: "" });
    expect({ status, output: output.slice(-2000) }).toMatchObject({ status: 0 });
    expect(existsSync(report)).toBe(true);
    const text = readFileSync(report, "utf8");
    // It has read the files, and says by whom its prose was written.
    expect(text.includes("`src/limits.ts`") && text.includes("(simulated model)")).toBe(true);
    const { tasks, attempts } = /^\| tasks \| (?<tasks>\d+):.*^\| attempts \| (?<attempts>\d+) \|$/ms.exec(text)!
      .groups!;
    const { files, planned } = announced(output, projectRoot)!;
    expect(files).toBeGreaterThan(1000);
    expect(planned).toBeGreaterThan(files);
    expect(Number(tasks)).toBe(planned);
    expect(Number(attempts)).toBeGreaterThanOrEqual(planned);
    expect(text.length).toBeGreaterThan(5000);
  });

  it("cancels its run at Ctrl-C", async () => {
    const demo = started("npm", ["run", "demo"], {}, true);
    try {
      const { planned } = await until("the plan", 60_000, async () => announced(demo.output, projectRoot));
      const mine = await until("all its tasks", 60_000, async () => {
        const { json } = await server.call("GET", "/v1/runs?limit=1000");
        const listed = json.runs as { id: string; name?: string }[];
        const id = listed.find(({ name }) => name === `demo: ${basename(projectRoot)}`)?.id;
        if (id === undefined) return undefined;
        const { counts } = await server.heddle.run(id);
        return Object.values(counts).reduce((sum, count) => sum + count, 0) === planned && id;
      });
      process.kill(-demo.child.pid!, "SIGINT");
      await demo.ended;
      expect(demo.output).toContain("Interrupted: stopping what was started…");
      expect((await server.heddle.run(mine)).status).toBe("cancelled");
    } finally {
      if (demo.child.exitCode === null && demo.child.signalCode === null) process.kill(-demo.child.pid!, "SIGTERM");
    }
  });
});

/** What the demo says of its plan for `root` once it has one. */
function announced(output: string, root: string): { files: number; planned: number } | undefined {
  const [, said = ""] = output.split(`${root}: `);
  const [, files, planned] = /^(\d+) source files in \d+ folders\. (\d+) tasks,/.exec(said) ?? [];
  return files === undefined ? undefined : { files: Number(files), planned: Number(planned) };
}
