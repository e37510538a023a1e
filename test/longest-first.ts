/**
 * The order of the test files: those that take long begin first, so that none of them goes on alone at the end. Vitest goes by
 * the file's size where it has no times of an earlier run, as in a fresh clone.
 */

import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** From a sixth of a minute up, the longest first: they wait for leases, kill servers, or run the demo. */
const long = [
  "e2e/demo.test.ts",
  "e2e/commands.test.ts",
  "e2e/crash.test.ts",
  "e2e/readme.test.ts",
  "e2e/actors.test.ts",
  "e2e/launcher.test.ts",
  "e2e/workspace-tools.test.ts",
  "e2e/harness.test.ts",
  "e2e/shares.test.ts",
  "e2e/chaos.test.ts",
  "e2e/billing.test.ts",
  "e2e/costs.test.ts",
  "e2e/files.test.ts",
  "e2e/classics.test.ts",
  "e2e/availability.test.ts",
  "e2e/messages.test.ts",
  "e2e/loop-worker.test.ts",
  "e2e/collector.test.ts",
  "e2e/burst.test.ts",
  "e2e/mcp.test.ts",
  "e2e/remote-tools.test.ts",
  "e2e/fork-bomb.test.ts",
  "cli/worker/work.test.ts",
  "cli/tools/tools.test.ts",
  "sim/scheduler.sim.test.ts",
  "cli/run/run.test.ts",
  "sim/system/system.test.ts",
  "cli/tools/workspace/workspace.test.ts",
  "cli/worker/harness/harness.test.ts",
  "objects/storage.test.ts",
];

const rank = ({ moduleId }: TestSpecification) => {
  const at = long.indexOf(relative(import.meta.dirname, moduleId));
  return at < 0 ? long.length : at;
};

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    // Project by project, as they came: a process that files share ends where a file of another project is next.
    const projects = [...new Set(sorted.map(({ project }) => project.name))];
    const place = ({ project }: TestSpecification) => projects.indexOf(project.name);
    return sorted.sort((a, b) => place(a) - place(b) || rank(a) - rank(b));
  }
}
