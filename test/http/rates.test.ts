import { expect, test } from "vitest";
import { Rates } from "../../src/http/rates.ts";

const spent = (rates: Rates, tenant: string, times: number, at: number, perSecond = 5) =>
  Array.from({ length: times }, () => rates.spend(tenant, perSecond, at)).filter((wait) => wait === 0).length;

test("lets a burst of two seconds in, then so many a second", () => {
  const rates = new Rates();
  expect(spent(rates, "a", 20, 0)).toBe(10);
  expect(spent(rates, "a", 20, 1000)).toBe(5);
  expect(spent(rates, "a", 20, 1100)).toBe(0);
  expect(spent(rates, "a", 20, 1200)).toBe(1);
  expect(spent(rates, "a", 30, 60_000)).toBe(10);
});

test("one tenant's requests are not another's", () => {
  const rates = new Rates();
  spent(rates, "a", 20, 0);
  expect(spent(rates, "b", 20, 0)).toBe(10);
});

test("says in how many seconds there is room again, also where the clock was set back", () => {
  const rates = new Rates();
  expect([rates.spend("a", 1, 5000), rates.spend("a", 1, 5000), rates.spend("a", 1, 5000)]).toEqual([0, 0, 1]);
  expect(rates.spend("a", 1, 1000)).toBe(1);
  expect(rates.spend("a", 1, 2000)).toBe(0);
});
