/**
 * The one alarm of a run's object. What is due and when, the shell says; that it rings in time is kept here.
 *
 * A1. It is set when something is due before it would ring. It may ring early: then it is set anew.
 * A2. One that is overdue counts as lost: the next call sets it anew.
 * A3. One whose work failed rings again, later each time, and never stops to: the platform's own six tries would end.
 * A4. An object that was loaded again looks first at what is set: a deployment's is loaded with each visit, and setting one is a row.
 */

import { alarmOverdueMs, alarmRetryMs, alarmUnheardMs, sweepEveryMs } from "../../limits.ts";

export class RunAlarm {
  readonly #ctx: DurableObjectState;
  #at = Number.POSITIVE_INFINITY;
  /** It was overdue when it was set, and has not rung since: for that it stands later than what is due (A2). */
  #isLate = false;
  /** Nothing was set or written yet in this life of the object. */
  #isNew = true;
  /** In a row. */
  #failures = 0;
  /** Its handler is at work: storage has none then, and that means nothing. */
  #ringing = 0;

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx;
  }

  /** Rings at `want` at the latest (A1, A2); not before `earliest`. */
  arm(want: number, earliest: number, run: string): void {
    const now = Date.now();
    const overdue = this.#at + alarmOverdueMs < now;
    if (want === Number.POSITIVE_INFINITY || (want >= this.#at && !overdue)) return;
    this.#isLate ||= overdue;
    this.#set(Math.max(want, now, earliest), run);
  }

  #set(at: number, run: string): void {
    this.#at = at;
    const forget = (error: unknown) => {
      console.error("alarm was not set", { run, error: String(error) });
      // The next command sets it.
      if (this.#at === at) this.#at = Number.POSITIVE_INFINITY;
    };
    const isNew = this.#isNew;
    this.#isNew = false;
    this.#ctx.waitUntil((isNew ? this.#setUnlessSet(at) : this.#ctx.storage.setAlarm(at)).catch(forget));
  }

  /** Something is about to be written: the alarm that it needs becomes durable with it, and waits for no look. */
  writes(): void {
    this.#isNew = false;
  }

  /** A4. Whoever sets another one meanwhile has the last word. */
  async #setUnlessSet(at: number): Promise<void> {
    const { storage } = this.#ctx;
    if ((await storage.getAlarm()) !== at && this.#at === at) await storage.setAlarm(at);
  }

  /** Rings at that time, for an object that has no run, and so no clock. */
  async remind(at: number): Promise<void> {
    await this.#ctx.storage.setAlarm(at);
  }

  /** Carries out what the alarm is for, and sees to it that it rings again where that fails (A3). Never throws. */
  async ring(scheduledAt: number, run: string | undefined, work: () => Promise<void>): Promise<void> {
    this.#ringing++;
    try {
      await work();
    } catch (bug) {
      const backoff = Math.min(alarmRetryMs * 2 ** this.#failures++, sweepEveryMs);
      console.error("alarm failed", { run, again_ms: backoff, error: String(bug) });
      // One that is set to the very time it rang at would be stored and never ring.
      this.#at = Math.max(Date.now() + backoff, scheduledAt + 1);
      await this.#ctx.storage.setAlarm(this.#at);
    } finally {
      this.#ringing--;
    }
  }

  /** It has rung: what is due next sets it again. */
  rang(): void {
    this.#at = Number.POSITIVE_INFINITY;
    this.#isLate = false;
  }

  worked(): void {
    this.#failures = 0;
  }

  /**
   * Looks at what storage has before anything sets it anew; the answer says what was wrong with it for something that is due
   * then, if anything. No code of ours leaves it like that.
   */
  async look(): Promise<(due: number) => string | undefined> {
    const wasRinging = this.#ringing > 0;
    const stored = await this.#ctx.storage.getAlarm();
    const now = Date.now();
    return (due) => {
      if (wasRinging || this.#ringing > 0) return undefined;
      if (stored === null) return "gone";
      if (stored > due + alarmOverdueMs && !this.#isLate) return "set too late";
      const hasNotRung = this.#isLate || stored + alarmUnheardMs < now;
      return hasNotRung && due + alarmUnheardMs < now ? "set and had not rung" : undefined;
    };
  }

  /** Storage is empty from now on. */
  async remove(): Promise<void> {
    await this.#ctx.storage.deleteAlarm();
    this.#at = Number.POSITIVE_INFINITY;
  }
}
