/** The simulated platform itself: what worlds rely on when they say that nothing was lost. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Random } from "../random.ts";
import { Faults } from "./platform/faults.ts";
import { drained, replaceGlobals } from "./platform/globals.ts";
import { Host, type ObjectClass } from "./platform/objects.ts";
import { Timeline } from "./platform/timeline.ts";

const lives: string[] = [];

/** Counts rows; `breaks` times its alarm fails. */
class Counter {
  readonly #ctx: DurableObjectState;
  static breaks = 0;

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx;
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS n(v INTEGER)");
  }

  add(): number {
    const { sql } = this.#ctx.storage;
    sql.exec("INSERT INTO n(v) VALUES(?)", 1);
    return Number(sql.exec("SELECT count(*) AS n FROM n").one().n);
  }

  half(): void {
    this.#ctx.storage.transactionSync(() => {
      this.add();
      throw new Error("in the middle");
    });
  }

  async synced(): Promise<void> {
    this.add();
    await this.#ctx.storage.sync();
    lives.push("synced");
  }

  async later(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 100));
    lives.push("later");
  }

  ring(at: number): void {
    void this.#ctx.storage.setAlarm(at);
  }

  alarm({ scheduledTime }: { scheduledTime: number }): void {
    lives.push(`alarm of ${scheduledTime - start} at ${Date.now() - start}`);
    if (Counter.breaks-- > 0) throw new Error("it broke");
  }
}

const start = 1_700_000_000_000;

describe("the simulated platform", () => {
  let timeline: Timeline;
  let host: Host;
  let restore: () => void;

  beforeEach(() => {
    timeline = new Timeline(start);
    const random = new Random(3);
    const faults = new Faults(random);
    faults.stop();
    restore = replaceGlobals(timeline, random, () => undefined);
    lives.length = 0;
    Counter.breaks = 0;
    host = new Host(
      "counter",
      Counter as unknown as ObjectClass,
      {},
      { timeline, random, faults, note: () => undefined },
    );
  });
  afterEach(() => {
    restore();
    host.storage.close();
  });

  /** What has come of a call so far. */
  function call(method: string, ...args: unknown[]): { come: string } {
    const outcome = { come: "nothing" };
    host.receive(
      { method, args },
      {
        answer: (value) => {
          outcome.come = `answer ${value}`;
        },
        fail: (error) => {
          outcome.come = String(error);
        },
      },
    );
    return outcome;
  }

  async function pass(ms: number): Promise<void> {
    const end = timeline.now + ms;
    await drained();
    for (let entry = timeline.next(end); entry; entry = timeline.next(end)) {
      entry.act();
      await drained();
    }
    timeline.now = end;
  }

  test("[S1] [S2] an answer waits for its write; who ends before it takes both back", async () => {
    const first = call("add");
    await drained();
    expect(first.come).toBe("nothing");
    await pass(10);
    expect(first.come).toBe("answer 1");
    const second = call("add");
    await drained();
    host.end(false, "the test ends it");
    expect(second.come).toBe("Error: Network connection lost.");
    const third = call("add");
    await pass(10);
    expect(third.come).toBe("answer 2");
  });

  test("[S1] what was durable when it ended stays, though its caller can't know", async () => {
    const first = call("add");
    await drained();
    host.end(true, "the test ends it");
    const second = call("add");
    await pass(10);
    expect([first.come === "nothing", second.come]).toEqual([false, "answer 2"]);
  });

  test("[S1] a transaction that throws leaves nothing", async () => {
    const broken = call("half");
    await pass(10);
    expect(broken.come).toBe("Error: in the middle");
    const next = call("add");
    await pass(10);
    expect(next.come).toBe("answer 1");
  });

  test("[S1] sync resolves with the flush", async () => {
    call("synced");
    await drained();
    expect(lives).toEqual([]);
    await pass(10);
    expect(lives).toEqual(["synced"]);
  });

  test("[O1] [O2] who has ended does nothing more, and its callers are told", async () => {
    const waiting = call("later");
    await pass(50);
    host.end(true, "the test ends it");
    expect(waiting.come).toBe("Error: Network connection lost.");
    await pass(1000);
    expect(lives).toEqual([]);
  });

  test("[O3] an alarm rings once, later than set, also in another life", async () => {
    call("ring", start + 500);
    await pass(10);
    host.end(true, "the test ends it");
    await pass(10_000);
    expect(lives).toHaveLength(1);
    expect(lives[0]).toMatch(/^alarm of 500 at 50\d$/);
  });

  test("[O3] an alarm that fails rings again, for the same time", async () => {
    Counter.breaks = 2;
    call("ring", start + 500);
    await pass(60_000);
    expect(lives).toHaveLength(3);
    expect(new Set(lives.map((life) => life.split(" at ")[0]))).toEqual(new Set(["alarm of 500"]));
  });

  test("[S1] an alarm that was not durable does not ring", async () => {
    call("ring", start + 500);
    await drained();
    host.end(false, "the test ends it");
    await pass(10_000);
    expect(lives).toEqual([]);
  });
});
