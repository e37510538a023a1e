// `npm test`: everything that must hold, stage by stage; stops at the first stage that fails. Its last line is
// `N passed, N failed`, where each test counts, and each stage that is not made of tests.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { scratchRoot } from "./lib/scratch-root.mjs";
import { runStage } from "./lib/stage.mjs";
import { StopError } from "./lib/stop-error.mjs";
import { projectRoot, toolchainNode } from "./lib/wrangler.mjs";

const scratch = mkdtempSync(join(scratchRoot(), "heddle-verify-"));
const vitestReport = join(scratch, "vitest.json");
const pkg = (path) => join(projectRoot, "node_modules", path);

const stages = [
  { name: "format and lint", args: [pkg("@biomejs/biome/bin/biome"), "check", "--error-on-warnings", "."] },
  { name: "types", args: [pkg("typescript/lib/tsc.js"), "-p", "tsconfig.json"] },
  { name: "dead code and dependencies", args: [pkg("knip/bin/knip.js")] },
  {
    name: "tests",
    args: [pkg("vitest/vitest.mjs"), "run", "--reporter=default", "--reporter=json", `--outputFile=${vitestReport}`],
    count: () => {
      const report = JSON.parse(readFileSync(vitestReport, "utf8"));
      const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
      // What may be left out says in its title what this machine lacks; any other test that did not run has failed.
      const leftOut = tests.filter(({ status, title }) => status === "skipped" && title.includes("(left out: "));
      for (const { title } of leftOut) console.log(`not tested here: ${title}`);
      const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = report;
      return { passed: numPassedTests, failed: numFailedTests + numPendingTests + numTodoTests - leftOut.length };
    },
  },
  { name: "deploy check", args: ["scripts/deploy-check.mjs"] },
];

const stopped = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => stopped.abort());

/** Exit status of a stage; its output is shown as it comes. */
function run(node, args) {
  const env = {
    ...process.env,
    PATH: [dirname(node), pkg(".bin"), process.env.PATH].join(delimiter),
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_WRITE_LOGS: "false",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    X_LOCAL_OBSERVABILITY: "false",
    // All that the tests make is in here, and gone at the end with it.
    TMPDIR: scratch,
    // Hundreds of processes start in the tests, most of them wrangler's or the command: each file is compiled once for all.
    NODE_COMPILE_CACHE: join(scratch, "compiled"),
  };
  return runStage(node, args, { cwd: projectRoot, env, stdio: "inherit", signal: stopped.signal });
}

let passed = 0;
let failed = 0;
try {
  const node = toolchainNode();
  for (const [i, { name, args, count }] of stages.entries()) {
    console.log(`\n[${i + 1}/${stages.length}] ${name}`);
    const startedAt = performance.now();
    const status = await run(node, args);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    const tests = counted(count);
    passed += tests ? tests.passed : Number(status === 0);
    // A stage of tests can fail without a failed test: an unhandled error, a file that does not load.
    const bad = tests ? Math.max(tests.failed, Number(status !== 0)) : Number(status !== 0);
    failed += bad;
    if (bad > 0 || stopped.signal.aborted) {
      console.error(`\n${name}: failed after ${seconds} s; the stages after it did not run.`);
      break;
    }
    console.log(`${name}: passed in ${seconds} s`);
  }
} catch (error) {
  if (!(error instanceof StopError)) throw error;
  console.error(error.message);
  failed++;
} finally {
  // A process of the tests that ends only now may still write what it has compiled; whoever finds it alive sees the folder's name.
  try {
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  } catch (error) {
    console.error(`${scratch} is left, since something still writes there: ${error.message}`);
  }
}
if (stopped.signal.aborted && failed === 0) failed = 1;
if (failed > 0) process.exitCode = 1;
console.log(`\n${passed} passed, ${failed} failed`);

/** What the stage's report says; undefined for a stage without tests, or one that wrote none. */
function counted(count) {
  try {
    return count?.();
  } catch {
    return { passed: 0, failed: 1 };
  }
}
