/** Three kinds of tests: pure ones in Node, objects in workerd (alone or together), whole servers end to end. */

import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-pool-workers";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { handleSimulated } from "./src/local/simulated/handle.ts";
import { LongestFirst } from "./test/longest-first.ts";
import { countInMemory } from "./test/objects/lib/fail-counter.ts";
import { servedByNobody, together } from "./test/together.ts";

/** An e2e test starts servers, kills them, and waits for leases of 30 s to expire. */
const e2eTestMs = 180_000;
const workerdTestMs = 30_000;
/** Three files share two processors, and some start processes: what takes a second alone may take ten. */
const nodeTestMs = 20_000;

/** What a test asks for until it holds takes as long as the machine does; the second that is Vitest's own is none of what it shows. */
const patientFor = (testMs: number) => ({ poll: { timeout: testMs - 5_000 } });

const freshDatabase = "./test/objects/apply-migrations.ts";

const workerd = (
  name: string,
  files: { include?: string[]; exclude?: string[]; isolate?: boolean; setupFiles?: string[] },
  platform: { queueProducers?: Record<string, string> } = {},
): TestProjectInlineConfiguration => ({
  plugins: [
    cloudflareTest(async () => ({
      wrangler: { configPath: "./wrangler.local.toml" },
      miniflare: {
        bindings: {
          TEST_MIGRATIONS: await readD1Migrations(`${import.meta.dirname}/migrations`),
          HEDDLE_SECRET: "5e".repeat(32),
          // The way of a deployment; the direct way is what the e2e tests' servers take.
          SEATS: "queue",
          SIMULATED_URL: "http://simulated.test/simulated",
        },
        // What the worker fetches is answered in Node: the simulated model is all that there is.
        outboundService: (request: Request) => handleSimulated(request, countInMemory),
        ...platform,
      },
    })),
  ],
  test: {
    name,
    // Both kinds in one group: a processor that is done with one kind goes on with the other.
    sequence: { groupOrder: 1 },
    maxWorkers: 2,
    include: ["test/objects/**/*.test.ts", "test/http/workerd/**/*.test.ts"],
    setupFiles: [freshDatabase],
    ...files,
    testTimeout: workerdTestMs,
    expect: patientFor(workerdTestMs),
    hookTimeout: workerdTestMs,
  },
});

/** Tests start the command hundreds of times, from its sources: two thirds of such a start are its compilation, which is kept. */
process.env.NODE_COMPILE_CACHE ??= `${import.meta.dirname}/node_modules/.cache/compiled`;

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        // For the simulation, which runs the objects outside of workerd.
        resolve: {
          alias: {
            "cloudflare:workers": `${import.meta.dirname}/test/sim/system/platform/cloudflare-workers.ts`,
          },
        },
        test: {
          name: "node",
          sequence: { groupOrder: 0 },
          // The longest files wait for processes that they start. Vitest's own choice on two cores is one file at a time.
          maxWorkers: 3,
          testTimeout: nodeTestMs,
          expect: patientFor(nodeTestMs),
          environment: "node",
          include: ["test/**/*.test.ts"],
          exclude: ["test/objects/**", "test/http/workerd/**", "test/e2e/**"],
        },
      },
      workerd("workerd", { exclude: together }),
      workerd(
        "workerd-together",
        { include: together, isolate: false, setupFiles: [freshDatabase, "./test/objects/leave-nothing.ts"] },
        { queueProducers: servedByNobody },
      ),
      {
        test: {
          name: "e2e",
          sequence: { groupOrder: 2 },
          environment: "node",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: ["./test/e2e/lib/shared-server.ts"],
          setupFiles: ["./test/e2e/lib/use-bundle.ts"],
          // Servers share two cores with the tests, and wait for most of their time: with four files at a time leases and long polls ran late.
          maxWorkers: 3,
          testTimeout: e2eTestMs,
          expect: patientFor(e2eTestMs),
          hookTimeout: e2eTestMs,
        },
      },
    ],
  },
});
