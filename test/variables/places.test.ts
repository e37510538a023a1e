import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { placesOf } from "../../src/variables/places.ts";

const text = (maxLength: number, minLength = 0) =>
  fc.string({ unit: fc.constantFrom("a", "b", "\ud83d", "\ude00"), maxLength, minLength });

describe("places of a part in a text", () => {
  it("are all that there are, overlapping ones too, up to so many", () => {
    fc.assert(
      fc.property(
        text(60),
        fc.oneof(text(5, 1), text(24, 14)),
        fc.integer({ min: 1, max: 4 }),
        (before, part, most) => {
          const whole = `${before}${part}${part.slice(0, -1)}${before}`;
          const all = Array.from({ length: whole.length }, (_, i) => i).filter((i) => whole.startsWith(part, i));
          expect(placesOf(whole, part, most)).toEqual(all.slice(0, most));
        },
      ),
    );
  });

  it("are found in a time that no text makes long", () => {
    const whole = "a".repeat(1_000_000);
    const half = "a".repeat(300_000);
    // Each of a million places has 300,000 units to compare, for who begins anew at each of them.
    for (const part of [`${half}b`, `b${half}`, `${half}b${half}`, "ab".repeat(150_000)])
      expect(placesOf(whole, part, 2)).toEqual([]);
    expect(placesOf(whole, half, 2)).toEqual([0, 1]);
    expect(placesOf(`${whole}b`, `${half}b`, 2)).toEqual([700_000]);
  });
});
