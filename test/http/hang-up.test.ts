/** A client that hangs up while a lease request of its waits: the gate is told, and by the name that it has the request under. */

import { expect, test } from "vitest";
import { createApp } from "../../src/http/app.ts";
import type { HttpEnv } from "../../src/http/env.ts";
import type { TenantGateRpc } from "../../src/objects/rpc.ts";

/** A gate that lets all wait until they leave. */
function waitingGate() {
  const polls = new Map<string, () => void>();
  const left: string[] = [];
  const onLeave: (() => void)[] = [];
  const gate: Pick<TenantGateRpc, "lease" | "leave"> = {
    lease: ({ poll }) => new Promise((resolve) => polls.set(poll!, () => resolve({ ok: true, value: [] }))),
    leave: async (poll) => {
      left.push(poll);
      onLeave.shift()?.();
      polls.get(poll)?.();
    },
  };
  const env = {
    HEDDLE_SECRET: "a secret of thirty-two characters",
    GATES: { getByName: () => gate },
  } as unknown as HttpEnv;
  const app = createApp({
    localKeys: { keys: [{ key: "hdl_k", tenant: "t", scopes: ["workers"] }], operatorSecret: "operate" },
  });
  const lease = (body: object, headers: Record<string, string> = {}, signal?: AbortSignal) =>
    app.request(
      "http://heddle.test/v1/pools/box/leases",
      {
        method: "POST",
        headers: { authorization: "Bearer hdl_k", "content-type": "application/json", ...headers },
        body: JSON.stringify({ worker: "w", ...body }),
        ...(signal && { signal }),
      },
      env,
    );
  return { polls, left, lease, onLeave };
}

test.each([{}, { "idempotency-key": "mine" }])("whoever hangs up leaves (%o)", async (headers) => {
  const { polls, left, lease } = waitingGate();
  const gone = new AbortController();
  const request = lease({ wait_ms: 20_000 }, headers, gone.signal);
  await expect.poll(() => polls.size).toBe(1);
  const [poll] = [...polls.keys()];
  if ("idempotency-key" in headers) expect(poll).toBe("mine");
  expect(left).toEqual([]);
  gone.abort();
  expect((await request).status).toBe(200);
  expect(left).toEqual([poll]);
});

test("one that is superseded has left before the other is asked for; who is answered leaves nothing", async () => {
  const { polls, left, lease } = waitingGate();
  const first = lease({ wait_ms: 20_000 }, { "idempotency-key": "mine" });
  await expect.poll(() => polls.size).toBe(1);
  const second = lease({ max: 0, supersedes: "mine" });
  expect((await first).status).toBe(200);
  expect(left).toEqual(["mine"]);
  await expect.poll(() => polls.size).toBe(2);
  [...polls.values()].at(-1)!();
  expect((await second).status).toBe(200);
  expect(left).toEqual(["mine"]);
});

test("who has hung up before the gate is asked leaves as well, and who does so after the answer leaves nothing", async () => {
  const { polls, left, lease, onLeave } = waitingGate();
  const gone = new AbortController();
  onLeave.push(() => gone.abort());
  const request = lease({ wait_ms: 20_000, supersedes: "old" }, { "idempotency-key": "new" }, gone.signal);
  await expect.poll(() => polls.size).toBe(1);
  expect(left).toEqual(["old", "new"]);
  polls.get("new")!();
  await request;

  const late = new AbortController();
  const answered = lease({ wait_ms: 20_000 }, { "idempotency-key": "late" }, late.signal);
  await expect.poll(() => polls.size).toBe(2);
  polls.get("late")!();
  expect((await answered).status).toBe(200);
  late.abort();
  expect(left).toEqual(["old", "new"]);
});

test.each([{ supersedes: "" }, { supersedes: "x".repeat(256) }, { supersedes: 1 }])("%o is no key", async (body) => {
  expect((await waitingGate().lease(body)).status).toBe(422);
});
