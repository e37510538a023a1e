/** What a task's command is given, where it does not come with the lease. */

import { afterAll, beforeAll, expect, it } from "vitest";
import { TaskWork } from "../../../src/cli/worker/task-work.ts";
import type { Verdict } from "../../../src/cli/worker/verdict.ts";
import { Heddle } from "../../../src/client/index.ts";
import type { Lease } from "../../../src/client/replies.ts";
import { type Answer, TestServer } from "../lib/contract-server.ts";

const server = new TestServer(() => ({ status: 200 }));
beforeAll(() => server.start());
afterAll(() => server.stop());

const lease = { id: "lse_1", run: "run_1", snapshot: "s", context: null, task: { id: "T1", key: "a" } } as Lease;
const telling = { rateLimited: () => undefined, progress: () => undefined };

/** Carries out the lease by reading its context. */
function started(answer: () => Answer | undefined) {
  server.calls.length = 0;
  server.handler = answer;
  // A client that has no patience of its own.
  const client = new Heddle({ url: server.url, retryMs: 0 });
  const work = new TaskWork(client, "p", (_lease, input) => ({
    verdict: input().then(
      ({ context }): Verdict => ({ ok: true, result: context.messages }),
      (error: Error): Verdict => ({
        ok: false,
        error: { code: "worker_failed", message: error.message },
        retryable: true,
      }),
    ),
    stop: () => undefined,
    kill: () => undefined,
  }));
  return work.start(lease, telling);
}

it("a context too large to come along is waited for while the server is away", async () => {
  const answers: (Answer | undefined)[] = [undefined, undefined, { status: 200, body: { messages: ["m"] } }];
  const { verdict } = started(() => answers.shift());
  expect(await verdict).toEqual({ ok: true, result: ["m"] });
  expect(server.calls).toHaveLength(3);
});

it("and no longer than the task may run here", async () => {
  const execution = started(() => undefined);
  while (server.calls.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  execution.stop();
  expect(await execution.verdict).toMatchObject({ ok: false, retryable: true });
});
