/** A run's webhook over evictions, lost pushes and endpoints that are away: the object's part, which sends nothing itself. */

import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import {
  webhookBatch,
  webhookEveryMs,
  webhookGiveUpMs,
  webhookOpenMs,
  webhookPushLeaseMs,
  webhookRetryMs,
} from "../../src/limits.ts";
import { LoadedRun } from "../../src/objects/run/loaded-run.ts";
import { Models } from "../../src/objects/run/models.ts";
import { Webhooks } from "../../src/objects/run/webhooks.ts";
import type { WebhookWork } from "../../src/objects/seat-rpc.ts";
import { RunStore } from "../../src/storage/run/run-store.ts";
import type { Outcome } from "../../src/webhooks/delivery.ts";
import type { WebhookChoice } from "../../src/webhooks/types.ts";
import { bindings, codeOf, makeRun, type TestRun, value } from "./lib/runs.ts";

/** One that no deployment calls: should an object send something by itself, it goes nowhere. */
const url = "https://10.9.8.7/in?token=s3cret";
const never = Number.POSITIVE_INFINITY;
let nonces = 0;
const nonce = () => String(++nonces);

/** Works on a run's real tables, as an object that has just been loaded. */
function loaded<T>(run: TestRun, work: (run: LoadedRun, webhooks: Webhooks) => T): Promise<T> {
  return runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), (_, { storage }) => {
    const store = RunStore.open(storage.sql, (commit) => storage.transactionSync(commit))!;
    return work(new LoadedRun(store, { models: new Models(bindings), retentionDays: null }), new Webhooks());
  });
}

const tried = ({ messages }: WebhookWork, at: number, taken = true, more: Partial<Outcome> = {}): Outcome[] =>
  messages.map(({ seq }) => ({ seq, attempt: { at, ms: 5, status: taken ? 204 : 503 }, taken, ...more }));
const typesOf = ({ messages }: WebhookWork) => messages.map(({ type }) => type);

/**
 * As the run's creation has it. Set beside the object in memory, which knows of none and so sends nothing itself.
 */
const hook = (run: TestRun, events: readonly WebhookChoice[] = ["run.*", "task.*"]) =>
  loaded(run, (state, webhooks) => webhooks.set(state, { url, events }, 1, 0));

/** Begins a push that is due at `at`, and says what it is to send. */
function begun(webhooks: Webhooks, run: LoadedRun, at: number) {
  const ticket = webhooks.next(run, at, nonce)!;
  expect(ticket).toMatchObject({ run: run.id, tenant: run.tenant, webhook: true });
  return { nonce: ticket.nonce, work: webhooks.open(run, ticket.nonce, at)! };
}

const posted = async (count: number, events?: readonly WebhookChoice[]): Promise<TestRun> => {
  const run = await makeRun();
  await run.create(...Array.from({ length: count }, () => ({ pool: "box", instructions: "a" })));
  await hook(run, events);
  return run;
};

async function worked(events?: readonly WebhookChoice[], more?: object): Promise<TestRun> {
  const run = await makeRun(more);
  await run.create({ key: "a", pool: "box", title: "The first", labels: { team: "crimson" }, instructions: "a" });
  const lease = (await run.lease())!;
  value(await run.rpc.complete(lease, { result: { n: 1 }, next: false, worker: "w" }));
  await hook(run, events);
  return run;
}

describe("what is sent", () => {
  it("is what the log has, in its order, with the task by its names and its result", async () => {
    const run = await worked();
    value(await run.rpc.finishRun({ cancel: false }));
    await loaded(run, (state, webhooks) => {
      const { work } = begun(webhooks, state, 2e12);
      expect(work.url).toBe(url);
      expect(typesOf(work)).toEqual(["task.created", "task.started", "task.succeeded", "run.succeeded"]);
      const [, , ended, last] = work.messages.map(({ body }) => JSON.parse(body));
      expect(ended.data).toMatchObject({
        run: { id: run.id, name: null },
        task: { key: "a", title: "The first", labels: { team: "crimson" } },
        event: { type: "task_ended", state: "succeeded" },
        result: { n: 1 },
      });
      expect(new Date(ended.timestamp).getTime()).toBe(ended.data.event.at);
      expect(last.data.task).toBeUndefined();
      expect(new Set(work.messages.map(({ id }) => id)).size).toBe(4);
    });
  });

  it("is of the chosen types alone, and of a redacted run without its texts", async () => {
    const run = await worked(["task.succeeded"], { redact: true });
    await loaded(run, (state, webhooks) => {
      const { work } = begun(webhooks, state, 2e12);
      expect(typesOf(work)).toEqual(["task.succeeded"]);
      expect(JSON.parse(work.messages[0]!.body).data).toMatchObject({ task: { title: null, key: "a" } });
      for (const text of ["The first", "crimson", '"n"']) expect(work.messages[0]!.body).not.toContain(text);
    });
  });

  it("is nothing for what is not chosen: no push is due, and none after it was looked at", async () => {
    const run = await worked(["run.paused"]);
    await loaded(run, (state, webhooks) => expect(webhooks.dueAt(state)).toBe(never));
    value(await run.rpc.pause());
    await loaded(run, (state, webhooks) => expect(webhooks.dueAt(state)).toBeLessThan(never));
  });

  it("leaves out a result that is too large, and says all else", async () => {
    const run = await posted(1, ["task.succeeded"]);
    const result = "x".repeat(17 * 1024);
    value(await run.rpc.complete((await run.lease())!, { result, next: false, worker: "w" }));
    await loaded(run, (state, webhooks) => {
      const { data } = JSON.parse(begun(webhooks, state, 2e12).work.messages[0]!.body);
      expect("result" in data).toBe(false);
      expect(data.event.state).toBe("succeeded");
    });
  });
});

describe("a push", () => {
  it("[WH1] goes on where the last one was reported to be, over the object's memory", async () => {
    const run = await worked();
    const first = await loaded(run, (state, webhooks) => {
      const push = begun(webhooks, state, 2e12);
      expect(webhooks.report(state, push.nonce, tried(push.work, 2e12), 2e12)).toEqual({});
      expect(webhooks.dueAt(state)).toBe(never);
      return push.work;
    });
    value(await run.rpc.pause());
    await loaded(run, (state, webhooks) => {
      expect(typesOf(begun(webhooks, state, 3e12).work)).toEqual(["run.paused"]);
      expect(state.store.deliveries.counts()).toEqual({ delivered: first.messages.length, retrying: 0, failed: 0 });
    });
  });

  it("[WH1] sends again, under the same id, what an object that has forgotten its push was not told of", async () => {
    const run = await worked();
    const before = await loaded(run, (state, webhooks) => begun(webhooks, state, 2e12));
    await loaded(run, (state, webhooks) => {
      const [first] = tried(before.work, 2e12);
      // The push of an earlier life reports one: that is noted, and it is told to stop.
      expect(webhooks.report(state, before.nonce, [first!], 2e12)).toEqual({});
      const { work } = begun(webhooks, state, 2e12);
      expect(work.messages).toEqual(before.work.messages.slice(1));
    });
  });

  it("[WH2] that is lost, or silent for too long, is given up, and another one begins", async () => {
    const run = await worked();
    await loaded(run, (state, webhooks) => {
      const lost = webhooks.next(state, 2e12, nonce)!;
      expect(webhooks.next(state, 2e12 + webhookOpenMs - 1, nonce)).toBeUndefined();
      const silent = begun(webhooks, state, 2e12 + webhookOpenMs);
      expect(webhooks.open(state, lost.nonce, 2e12 + webhookOpenMs)).toBeUndefined();
      const at = 2e12 + webhookOpenMs + webhookPushLeaseMs;
      expect(webhooks.next(state, at - 1, nonce)).toBeUndefined();
      const next = begun(webhooks, state, at);
      expect(next.work).toEqual(silent.work);
      webhooks.report(state, silent.nonce, tried(silent.work, at), at);
      expect(webhooks.report(state, next.nonce, tried(next.work, at), at)).toEqual({});
      expect(state.store.deliveries.page(0, 1)[0]).toMatchObject({ state: "delivered", tries: 2 });
    });
  });

  it("[WH4] keeps its object in memory until it is over, given up or taken away, and no longer", async () => {
    const run = await posted(2, ["task.created"]);
    await loaded(run, (state, webhooks) => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      try {
        webhooks.next(state, 2e12, nonce);
        expect(vi.getTimerCount()).toBe(1);
        vi.advanceTimersByTime(webhookOpenMs);
        expect(vi.getTimerCount()).toBe(0);

        const push = begun(webhooks, state, 2e12 + webhookOpenMs);
        vi.advanceTimersByTime(webhookPushLeaseMs - 1);
        expect(vi.getTimerCount()).toBe(1);
        webhooks.report(state, push.nonce, tried(push.work, 3e12), 3e12);
        expect(vi.getTimerCount()).toBe(0);

        webhooks.set(state, { url, events: ["run.*"] }, 3e12, 0);
        webhooks.replay(state, { after: 0 }, 3e12);
        begun(webhooks, state, 4e12);
        expect(vi.getTimerCount()).toBe(1);
        webhooks.remove(state);
        expect(vi.getTimerCount()).toBe(0);
      } finally {
        vi.useRealTimers();
      }
    });
  });

  it("comes in parts, and the next one waits a little for more", async () => {
    const run = await posted(webhookBatch + 3, ["task.created"]);
    await loaded(run, (state, webhooks) => {
      const { nonce: name, work } = begun(webhooks, state, 2e12);
      expect(work.messages).toHaveLength(webhookBatch);
      const { work: rest } = webhooks.report(state, name, tried(work, 2e12), 2e12);
      expect(rest!.messages).toHaveLength(3);
      expect(webhooks.report(state, name, tried(rest!, 2e12), 2e12)).toEqual({});
    });
    await run.create({ pool: "box", instructions: "a" });
    await loaded(run, (state, webhooks) => {
      const { nonce: name, work } = begun(webhooks, state, 2e12);
      webhooks.report(state, name, tried(work, 2e12), 2e12);
      webhooks.saw(state, [{ seq: 99, event: { type: "task_created" }, causes: [], body: undefined } as never]);
      expect(webhooks.dueAt(state)).toBe(2e12 + webhookEveryMs);
    });
  });
});

describe("an endpoint that takes nothing", () => {
  it("[W2] is asked with a retry and a new message, until it takes one", async () => {
    const run = await posted(webhookBatch + 5, ["task.created"]);
    await loaded(run, (state, webhooks) => {
      const first = begun(webhooks, state, 2e12);
      webhooks.report(state, first.nonce, tried(first.work, 2e12, false), 2e12);
      const due = webhooks.dueAt(state);
      expect(due - 2e12).toBeGreaterThan(webhookRetryMs[0]! / 2);
      // All twenty are due by then.
      const probe = begun(webhooks, state, due + webhookRetryMs[0]!);
      expect(probe.work.messages).toHaveLength(2);
      const at = due + webhookRetryMs[0]!;
      webhooks.report(state, probe.nonce, tried(probe.work, at, false), at);
      const later = at + webhookRetryMs[2]!;
      const better = begun(webhooks, state, later);
      const { work } = webhooks.report(state, better.nonce, tried(better.work, later), later);
      // Ten that wait for another try, and the three that are left of the new ones.
      expect(work!.messages).toHaveLength(webhookBatch / 2 + 3);
    });
  });

  it("[W4] is asked no more when it is gone; set again it has what it missed", async () => {
    const run = await worked(["task.succeeded"]);
    await loaded(run, (state, webhooks) => {
      const { nonce: name, work } = begun(webhooks, state, 2e12);
      expect(webhooks.report(state, name, tried(work, 2e12, false, { gone: true }), 2e12)).toEqual({ off: "gone" });
      expect(webhooks.dueAt(state)).toBe(never);
      expect(webhooks.get(state)?.off).toEqual({ why: "gone", at: 2e12 });
      webhooks.set(state, { url: "https://other.example/", events: ["task.succeeded"] }, 3e12, 0);
      const again = begun(webhooks, state, 3e12);
      expect(again.work).toEqual({ url: "https://other.example/", messages: work.messages });
    });
  });

  it("is judged by itself: what the address before it said does not turn it off", async () => {
    const run = await worked(["task.succeeded"]);
    await loaded(run, (state, webhooks) => {
      const { nonce: name, work } = begun(webhooks, state, 2e12);
      webhooks.set(state, { url: "https://other.example/", events: ["task.succeeded"] }, 2e12, 0);
      expect(webhooks.report(state, name, tried(work, 2e12, false, { gone: true }), 2e12)).toEqual({});
      expect(webhooks.get(state)).not.toHaveProperty("off");
      expect(webhooks.dueAt(state)).toBeLessThan(never);
    });
  });

  it("that refuses many messages still gets the new ones", async () => {
    const run = await posted(webhookBatch, ["task.created"]);
    await loaded(run, (state, webhooks) => {
      const { nonce: name, work } = begun(webhooks, state, 2e12);
      // All but one: it is not away.
      webhooks.report(state, name, [...tried(work, 2e12, false).slice(1), ...tried(work, 2e12).slice(0, 1)], 2e12);
    });
    const more = await run.create(...Array.from({ length: 3 }, () => ({ pool: "box", instructions: "a" })));
    await loaded(run, (state, webhooks) => {
      const { work } = begun(webhooks, state, 2e12 + webhookRetryMs[0]! * 2);
      const told = work.messages.map(({ body }) => JSON.parse(body).data.task.id);
      expect(told).toEqual(expect.arrayContaining(more));
      expect(told).toHaveLength(webhookBatch / 2 + 3);
    });
  });

  it("[W1] leaves a message failed when its time is over", async () => {
    const run = await worked(["task.succeeded"]);
    await loaded(run, (state, webhooks) => {
      let at = 2e12;
      for (let tries = 0; at < never; tries++) {
        const { nonce: name, work } = begun(webhooks, state, at);
        webhooks.report(state, name, tried(work, at, false), at);
        expect(tries).toBeLessThan(30);
        at = webhooks.dueAt(state);
      }
      // Its only message has failed, and nothing else was there to ask with.
      const [message] = state.store.deliveries.page(0, 9);
      expect(message).toMatchObject({ state: "failed", nextAt: null });
      expect(message!.attempts.at(-1)!.at - 2e12).toBeLessThanOrEqual(webhookGiveUpMs);
    });
  });

  it("[W4] is given up when it has taken nothing for too long: the rest stays to be sent", async () => {
    const run = await posted(webhookBatch + 30, ["task.created"]);
    await loaded(run, (state, webhooks) => {
      let off: string | undefined;
      for (let at = webhooks.dueAt(state), tries = 0; off === undefined; at = webhooks.dueAt(state), tries++) {
        const { nonce: name, work } = begun(webhooks, state, Math.max(at, 2e12));
        ({ off } = webhooks.report(state, name, tried(work, Math.max(at, 2e12), false), Math.max(at, 2e12)));
        expect(tries).toBeLessThan(30);
      }
      expect(off).toBe("given_up");
      expect(webhooks.dueAt(state)).toBe(never);
      const { failed, retrying, delivered } = state.store.deliveries.counts();
      expect(delivered).toBe(0);
      expect(failed + retrying).toBeLessThan(webhookBatch + 30);
    });
  });
});

describe("calls", () => {
  it("set it, show it without what its query hides, and take it away, also of a run that has ended", async () => {
    const run = await makeRun({ webhook: { url, events: ["task.failed"] } });
    expect(value(await run.rpc.webhook())).toMatchObject({
      url: "https://10.9.8.7/in?token=…",
      events: ["task.failed"],
      state: "on",
      counts: { delivered: 0, retrying: 0, failed: 0 },
    });
    value(await run.rpc.finishRun({ cancel: true }));
    value(await run.rpc.setWebhook({ url, events: ["task.retried"] }));
    value(await run.rpc.removeWebhook());
    value(await run.rpc.removeWebhook());
    expect(codeOf(await run.rpc.webhook())).toBe("not_found");
    const told = (await run.events()).filter(({ type }) => type.startsWith("webhook"));
    expect(told).toMatchObject([
      { type: "webhook_set", events: ["task.failed"] },
      { type: "webhook_set", events: ["task.retried"] },
      { type: "webhook_off", why: "asked" },
    ]);
    // Neither the log nor a file of the run has the address.
    expect(JSON.stringify(await run.events())).not.toContain("10.9.8.7");
    const page = value(await run.rpc.exportPage(undefined));
    expect(JSON.stringify(page)).not.toContain("10.9.8.7");
  });

  it("list what was tried by its state, page by page, and send it again", async () => {
    const run = await posted(5, ["task.created"]);
    await loaded(run, (state, webhooks) => {
      const { nonce: name, work } = begun(webhooks, state, 2e12);
      const outcomes = tried(work, 2e12).map((one, i) => (i === 2 ? { ...one, taken: false } : one));
      webhooks.report(state, name, outcomes, 2e12);
    });
    await run.evict();
    const first = value(await run.rpc.deliveries({ limit: 2 }));
    const rest = value(await run.rpc.deliveries({ limit: 9, cursor: first.nextCursor! }));
    expect([first.rows.length, rest.rows.length, rest.nextCursor]).toEqual([2, 3, null]);
    const [waits] = value(await run.rpc.deliveries({ limit: 9, state: "retrying" })).rows;
    expect(waits).toMatchObject({ state: "retrying", tries: 1, attempts: [{ status: 204 }] });
    expect(codeOf(await run.rpc.deliveries({ limit: 9, cursor: "x" }))).toBe("validation_failed");

    expect(codeOf(await run.rpc.replayDeliveries({ seq: 1 }))).toBe("not_found");
    expect(value(await run.rpc.replayDeliveries({ after: 0, state: "failed" }))).toBe(0);
    expect(value(await run.rpc.replayDeliveries({ after: first.rows[1]!.seq, state: "delivered" }))).toBe(2);
    expect(value(await run.rpc.replayDeliveries({ seq: first.rows[0]!.seq }))).toBe(1);
  });

  it("send again what was asked for by one Idempotency-Key once, though it is delivered before that is repeated", async () => {
    const run = await posted(3, ["task.created"]);
    const deliverAll = async () => {
      await loaded(run, (state, webhooks) => {
        const { nonce: name, work } = begun(webhooks, state, 2e12);
        webhooks.report(state, name, tried(work, 2e12), 2e12);
      });
      await run.evict();
    };
    const again = (key: string) =>
      run.rpc.replayDeliveries({ after: 0, state: "delivered" }, { key, fingerprint: "f" });
    const waiting = async () => value(await run.rpc.deliveries({ limit: 9, state: "retrying" })).rows.length;
    await deliverAll();
    expect([value(await again("replay 1")), await waiting()]).toEqual([3, 3]);
    await deliverAll();
    expect([value(await again("replay 1")), await waiting()]).toEqual([3, 0]);
    expect(value(await again("replay 2"))).toBe(3);
  });
});
