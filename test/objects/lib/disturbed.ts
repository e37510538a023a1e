/**
 * Stories that are disturbed: the same steps are played several times side by side, on one clock, and between them objects end.
 * What each step answers, and what there is in the end, must be as in the play that nothing disturbs.
 *
 * Each boundary between two steps is disturbed after each of `everies` steps in which the object lived: what it had kept in memory for
 * one step is lost there, and what it had kept for longer. A play for each boundary alone would need the square of the steps.
 */

import { abortAllDurableObjects, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { beforeAll, describe, expect, it } from "vitest";
import { newTenant, TestClock, type TestRun } from "./runs.ts";

/** A time far ahead: the platform's alarms, which know its own clock only, never ring by themselves. */
const begin = 1_900_000_000_000;
const betweenMs = 10;
const everies = [1, 2, 4];

export interface Step<Cast> {
  /** The clock goes forward by so much first. */
  readonly after?: number;
  /** Its answer is compared. */
  readonly does: (cast: Cast) => Promise<unknown>;
}

export interface Story<Cast> {
  /** Everybody in a play: the same names in each, but for the tenant. */
  readonly cast: (tenant: string) => Cast;
  readonly steps: Readonly<Record<string, Step<Cast>["does"] | Step<Cast>>>;
  /** Objects that are evicted, each in plays of its own. */
  readonly objects: Readonly<Record<string, (cast: Cast) => DurableObjectStub>>;
  /** What the cron sweep visits: words that an aborted object had not sent yet are said again then. */
  readonly swept: (cast: Cast) => readonly TestRun[];
  /** What anybody can see at the end. */
  readonly seen: (cast: Cast) => Promise<unknown>;
  /** That the undisturbed play went as it should: else all could have gone wrong alike. `of`: what a step answered. */
  readonly expects: (of: (step: string) => unknown, seen: unknown) => void;
}

interface Play<Cast> {
  readonly cast: Cast;
  readonly disturb: (cast: Cast, before: number) => Promise<void>;
  readonly answers: [step: string, answer: unknown][];
}

const look = "be looked at";
const plain = (value: unknown) => JSON.parse(JSON.stringify(value ?? null)) as unknown;

export function disturbed<Cast>(what: string, story: Story<Cast>): void {
  const whole = [...Object.entries(story.steps), [look, story.seen] as const];
  const names = whole.map(([name]) => name);

  const rounds = everies.flatMap((every) => Array.from({ length: every }, (_, first) => ({ every, first })));
  const evictions = Object.keys(story.objects).flatMap((object) =>
    rounds.map(({ every, first }) => ({ object, every, first, from: names[first]! })),
  );

  const playOf = (disturb: Play<Cast>["disturb"]): Play<Cast> => ({
    cast: story.cast(newTenant()),
    disturb,
    answers: [],
  });
  const evicting = ({ object, every, first }: (typeof evictions)[number]) =>
    playOf(async (cast, before) => {
      if (before % every !== first) return;
      const stub = story.objects[object]!(cast);
      // What is not loaded can't be evicted.
      await runInDurableObject(stub, () => undefined);
      await evictDurableObject(stub);
    });

  /** Step by step; an error stands in place of the answer that it prevented. */
  async function act(plays: readonly Play<Cast>[]): Promise<void> {
    using clock = new TestClock();
    clock.forward(begin - clock.now);
    for (const [i, [name, step]] of whole.entries()) {
      const { after = 0, does } = typeof step === "function" ? { does: step } : step;
      clock.forward(betweenMs);
      await Promise.all(plays.map(({ cast, disturb }) => disturb(cast, i)));
      clock.forward(after);
      await Promise.all(
        plays.map(async ({ cast, answers }) => {
          const answer = await does(cast).then(plain, String);
          answers.push([name, answer]);
        }),
      );
    }
  }

  describe(what, () => {
    const undisturbed = playOf(async () => undefined);
    const evicted = evictions.map(evicting);
    beforeAll(() => act([undisturbed, ...evicted]));

    it("goes as it should where nothing disturbs it", () => {
      const answers = new Map(undisturbed.answers);
      expect([...answers.keys()]).toEqual(names);
      story.expects((step) => answers.get(step), answers.get(look));
    });

    it.each(evictions.map(({ object, every, from }, i) => [object, every, from, evicted[i]!] as const))(
      "goes the same where the %s is evicted every %i steps, first before it is to %s",
      (_, __, ___, { answers }) => {
        expect(answers).toEqual(undisturbed.answers);
      },
    );

    it("goes the same where all objects are aborted before every step", async () => {
      const aborted = playOf(async (cast) => {
        await abortAllDurableObjects();
        for (const run of story.swept(cast)) await run.rpc.sweep();
      });
      await act([aborted]);
      expect(aborted.answers).toEqual(undisturbed.answers);
    });
  });
}
