/** What a redacted run shows of its events. */

import { expect, test } from "vitest";
import type { SchedulerEvent } from "../../src/scheduler/events.ts";
import { redacted, redactedText } from "../../src/scheduler/redaction.ts";

const secret = "ZEBRA";
const created = {
  type: "task_created",
  task: 1,
  key: "report",
  title: secret,
  parent: 0,
  depth: 1,
  pool: "hosted",
  priority: 5,
  timeout_ms: 1,
  retry_limit: 0,
  backoff_ms: 0,
  max_turns: 1,
  snapshot: "a".repeat(32),
  fork: "full",
  labels: { team: secret },
  on_failure: {
    title: secret,
    labels: { why: secret },
    pool: "hosted",
    timeout_ms: 1,
    retry_limit: 0,
    backoff_ms: 0,
    max_turns: 1,
    snapshot: "a".repeat(32),
    fork: "full",
  },
} as const satisfies SchedulerEvent;

test("[RD1] texts are replaced, titles left out; names, codes and numbers stay, and the event itself is as it was", () => {
  const before = structuredClone(created);
  const { title: _, labels: __, on_failure, ...rest } = created;
  const { title: ___, ...terms } = on_failure;
  expect(redacted(created)).toEqual({
    ...rest,
    labels: { team: redactedText },
    on_failure: { ...terms, labels: { why: redactedText } },
  });
  expect(created).toEqual(before);
});

test("[RD1] what a task asks is its own text; that it waits, and for what, stays", () => {
  const want = { kind: "pop", names: ["answers"], max: 1, external: true } as const;
  const asking = { type: "call_waiting", task: 1, call: "c", targets: [], mode: "all", want, ask: secret } as const;
  expect(redacted(asking)).toEqual({ ...asking, ask: redactedText });
  const { ask: _, ...silent } = asking;
  expect(redacted(silent)).toEqual(silent);
});

test("[RD1] of errors the code stays, of an end its status, and its reason where that is a code", () => {
  const error = { code: "broken", message: secret, because: 2 };
  const shown = { code: "broken", message: redactedText, because: 2 };
  const events: SchedulerEvent[] = [
    { type: "task_ended", task: 1, state: "failed", error },
    { type: "attempt_ended", task: 1, fence: 1, why: "transient", error },
    { type: "tool_call_attempt_ended", task: 1, call: "c", fence: 1, why: "transient", error },
    { type: "task_fell_back", task: 1, error },
  ];
  for (const event of events) expect(redacted(event)).toEqual({ ...event, error: shown });
  const cancelled = { type: "run_ended", status: "cancelled", reason: secret } as const;
  expect(redacted(cancelled)).toEqual({ ...cancelled, reason: redactedText });
  const failed = { type: "run_ended", status: "failed", reason: "root_failed" } as const;
  expect(redacted(failed)).toEqual(failed);
});
