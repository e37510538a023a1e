import { describe, expect, test } from "vitest";
import { takePlace } from "../../src/local/simulated/hidden-limit.ts";

describe("a limit that is not told", () => {
  test("is of a model and a number, and a place is given back once", () => {
    const [first, second] = [takePlace("m", 2), takePlace("m", 2)];
    expect([typeof first, typeof second, takePlace("m", 2)]).toEqual(["function", "function", undefined]);
    expect(typeof takePlace("other", 2)).toBe("function");
    first!();
    first!();
    expect([typeof takePlace("m", 2), takePlace("m", 2)]).toEqual(["function", undefined]);
  });
});
