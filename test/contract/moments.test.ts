/** Moments that a query can name, and days that no calendar has. */

import { describe, expect, it, test } from "vitest";
import { billingBody } from "../../src/contract/billing.ts";
import { hour, moment } from "../../src/contract/moments.ts";
import { runsQuery } from "../../src/contract/run-requests.ts";
import { usageQuery } from "../../src/contract/usage-requests.ts";

test.each([
  ["2026-11-26", "2026-11-26T00:00:00.000Z"],
  ["2026-11-26T10:00Z", "2026-11-26T10:00:00.000Z"],
  ["2026-11-26T10:00:01.5Z", "2026-11-26T10:00:01.500Z"],
  ["2028-02-29", "2028-02-29T00:00:00.000Z"],
  // The end of a day, as ISO 8601 may write it.
  ["2026-12-31T24:00Z", "2027-01-01T00:00:00.000Z"],
  ["1795687200000", "2026-11-26T10:00:00.000Z"],
])("%s is %s", (text, iso) => {
  expect(moment.parse(text)).toBe(Date.parse(iso));
});

describe("a day that there is not is refused, and not read as another one", () => {
  const absent = ["2026-02-29", "2026-02-31", "2026-04-31T10:00:00Z", "2026-13-01", "2026-00-10", "2026-01-32"];
  test.each(absent)("%s", (text) => {
    expect(moment.safeParse(text).error?.issues[0]?.message).toMatch(/a day that there is/);
    expect(hour.safeParse(text).success).toBe(false);
  });

  it("under the name of its field, wherever a day is asked for", () => {
    const fieldsOf = (schema: typeof runsQuery | typeof usageQuery | typeof billingBody, value: object) =>
      schema.safeParse(value).error?.issues.map(({ path }) => path.join("."));
    const day = "2026-02-31";
    expect(fieldsOf(runsQuery, { from: day, to: day })).toEqual(["from", "to"]);
    expect(fieldsOf(usageQuery, { from: day, to: day })).toEqual(["from", "to"]);
    expect(fieldsOf(billingBody, { customer: "cus_1", since: day })).toEqual(["since"]);
  });
});
