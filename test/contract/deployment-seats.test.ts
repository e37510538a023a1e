import { expect, test } from "vitest";
import { deploymentSeats } from "../../src/contract/deployment-seats.ts";
import { deploymentSeatsDefault } from "../../src/limits.ts";

test.each([
  [undefined, deploymentSeatsDefault],
  ["", deploymentSeatsDefault],
  ["1", 1],
  [" 250 ", 250],
])("HEDDLE_SEATS %j is %i seats", (text, seats) => {
  expect(deploymentSeats(text)).toEqual({ ok: true, seats });
});

test.each(["0", "-1", "1.5", "many", "1e9", "100001"])("HEDDLE_SEATS %j says what it must be", (text) => {
  expect(deploymentSeats(text)).toMatchObject({ ok: false, message: expect.stringContaining("from 1 to 100000") });
});
