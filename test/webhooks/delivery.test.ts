import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { webhookAttemptsKept, webhookGiveUpMs, webhookRetryMs, webhookRetryMsMax } from "../../src/limits.ts";
import {
  type Away,
  attempted,
  type Delivery,
  endpointAfter,
  type Outcome,
  replayed,
} from "../../src/webhooks/delivery.ts";

const outcome = (at: number, taken: boolean, more: Partial<Outcome> = {}): Outcome => ({
  seq: 7,
  attempt: { at, ms: 10, status: taken ? 200 : 500 },
  taken,
  ...more,
});
const try1 = (before: Delivery | undefined, at: number, taken: boolean, more: Partial<Outcome> = {}, chance = 0.5) =>
  attempted(before, "task.failed", outcome(at, taken, more), chance);

describe("a message", () => {
  it("[W1] is tried again later and later, and fails when its time is over", () => {
    let message = try1(undefined, 0, false);
    const pauses: number[] = [];
    while (message.nextAt !== null) {
      pauses.push(message.nextAt - message.attempts.at(-1)!.at - 10);
      message = try1(message, message.nextAt, false);
    }
    expect(pauses.slice(0, webhookRetryMs.length)).toEqual(webhookRetryMs.slice(0, pauses.length));
    expect(message).toMatchObject({ state: "failed", tries: pauses.length + 1, since: 0 });
    const last = message.attempts.at(-1)!.at;
    expect(last).toBeLessThanOrEqual(webhookGiveUpMs);
    expect(last).toBeGreaterThan(webhookGiveUpMs - 2 * webhookRetryMsMax);
    expect(message.attempts).toHaveLength(webhookAttemptsKept);
  });

  it("[W1] comes to an end whatever it meets, never tried before its time, and never lost from sight", () => {
    const step = fc.record({
      taken: fc.boolean(),
      late: fc.integer({ min: 0, max: webhookGiveUpMs }),
      afterMs: fc.option(fc.integer({ min: 0, max: 1e12 }), { nil: undefined }),
      chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        let message: Delivery | undefined;
        let at = 1000;
        for (const { taken, late, afterMs, chance } of steps) {
          at = (message?.nextAt ?? at) + late;
          const before: Delivery | undefined = message;
          message = try1(before, at, taken, afterMs === undefined ? {} : { afterMs }, chance);
          expect(message.tries).toBe((before?.tries ?? 0) + 1);
          expect(message.nextAt !== null).toBe(message.state === "retrying");
          expect(message.state === "delivered").toBe(taken);
          if (message.nextAt !== null) {
            expect(message.nextAt).toBeGreaterThan(at);
            expect(message.nextAt - at).toBeLessThanOrEqual(webhookRetryMsMax * 1.2 + 10);
            expect(message.nextAt - message.since).toBeLessThanOrEqual(webhookGiveUpMs);
          } else break;
        }
      }),
    );
  });

  it("[W3] waits as long as the endpoint says, up to a bound", () => {
    expect(try1(undefined, 0, false, { afterMs: 60_000 }).nextAt).toBe(60_010);
    expect(try1(undefined, 0, false, { afterMs: 1 }).nextAt).toBe(webhookRetryMs[0]! + 10);
    expect(try1(undefined, 0, false, { afterMs: Number.MAX_SAFE_INTEGER }).nextAt).toBe(webhookRetryMsMax + 10);
  });

  it("that was sent again begins its time anew, and keeps what was tried", () => {
    const failed: Delivery = { ...try1(undefined, 0, false), state: "failed", nextAt: null };
    const again = replayed(failed, 5 * webhookGiveUpMs);
    expect(again).toMatchObject({ state: "retrying", nextAt: 5 * webhookGiveUpMs, tries: 1, failures: 0 });
    expect(try1(again, 5 * webhookGiveUpMs, false).state).toBe("retrying");
  });

  it("that was delivered stays so where a push that was given up tells late that it could not", () => {
    const delivered = try1(undefined, 0, true);
    expect(try1(delivered, 90_000, false)).toMatchObject({ state: "delivered", tries: 2, nextAt: null });
  });
});

describe("an endpoint", () => {
  it("[W2] that takes nothing is asked rarely, until it takes something", () => {
    let away = endpointAfter(undefined, [outcome(0, false), outcome(0, false)], 10, 0.5) as Away;
    expect(away).toEqual({ times: 1, since: 0, until: 10 + webhookRetryMs[0]! });
    away = endpointAfter(away, [outcome(away.until, false)], away.until + 10, 0.5) as Away;
    expect(away).toMatchObject({ times: 2, since: 0 });
    expect(away.until).toBe(10 + webhookRetryMs[0]! + 10 + webhookRetryMs[1]!);
    expect(endpointAfter(away, [outcome(0, false), outcome(0, true)], 0, 0.5)).toBeUndefined();
    // A push that had nothing to send says nothing of it.
    expect(endpointAfter(away, [], 0, 0.5)).toBe(away);
  });

  it.each([0, 0.5, 0.99])(
    "[W4] is given up when it is gone, or has taken nothing for too long (by chance %d)",
    (chance) => {
      expect(endpointAfter(undefined, [outcome(0, true), outcome(0, false, { gone: true })], 0, 0.5)).toBe("gone");
      let away: Away | string | undefined;
      let at = 0;
      let asked = 0;
      do {
        away = endpointAfter(away as Away | undefined, [outcome(at, false)], at, chance);
        at = typeof away === "object" ? away.until : at;
        asked++;
      } while (typeof away === "object");
      expect(away).toBe("given_up");
      // Its messages' time is over then, and not before.
      expect(at).toBe(webhookGiveUpMs);
      expect(asked).toBeLessThan(30);
    },
  );
});
