/**
 * A pull worker as a process of its own: leases a task, works for a while and renews its lease, leaves a trace of its effect in a file, reports.
 * Usage: node pull-worker.ts URL POOL NAME WORK_MS EFFECTS_FILE. Ends with SIGKILL or SIGTERM.
 */

import { appendFileSync } from "node:fs";
import { Heddle, isProblem } from "../../../src/client/index.ts";
import { renewEveryMs } from "../../../src/limits.ts";

const [url, pool, worker, workMs, effects] = process.argv.slice(2) as [string, string, string, string, string];
const heddle = new Heddle({ url, key: "hdl_local" });

for (;;) {
  const [lease] = await heddle.lease(pool, { worker, max: 1, wait_ms: 5000 });
  if (!lease) continue;
  const { task } = lease;
  // Of a lost one nothing is to be said here: its report will be refused.
  const renewal = setInterval(() => heddle.renewLease(lease.id).catch(() => undefined), renewEveryMs);
  const child = task.instructions === "fork" ? await forkOne(lease.id) : "";
  await new Promise((resolve) => setTimeout(resolve, Number(workMs)));
  try {
    await heddle.complete(lease.id, { result: `${task.instructions}${child} by ${worker}`, worker });
  } catch (error) {
    if (!isProblem(error, "lease_lost")) throw error;
    appendFileSync(effects, `${JSON.stringify({ task: task.id, attempt: task.attempt, worker, lost: true })}\n`);
    continue;
  } finally {
    clearInterval(renewal);
  }
  appendFileSync(effects, `${JSON.stringify({ task: task.id, attempt: task.attempt, worker })}\n`);
}

/** A task of a pull worker that creates a hosted task and waits for it. */
async function forkOne(lease: string): Promise<string> {
  const instructions = 'answer\n```sim\n{"turns":[{"text":"child of pull","latency_ms":200}]}\n```';
  await heddle.callLeaseTool(lease, "create_task", {
    call_id: "make",
    arguments: { key: "child", instructions, pool: "hosted" },
  });
  for (;;) {
    const outcome = await heddle.callLeaseTool(lease, "await_tasks", {
      call_id: "wait",
      arguments: { tasks: ["child"] },
      wait_ms: 5000,
    });
    if ("result" in outcome) return ` with ${(outcome.result as { tasks: { result: string }[] }).tasks[0]?.result}`;
    if ("error" in outcome) throw new Error(JSON.stringify(outcome.error));
  }
}
