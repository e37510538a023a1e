import { expect, test } from "vitest";
import type { Fault } from "../../src/errors/fault.ts";
import { cursorAt, withPlace } from "../../src/http/list-cursor.ts";

const list = (query: object, params = { run: "r" }, path = "/v1/runs/:run/tasks") => ({ path, params, query });
const placeIn = (cursor: string, asked: ReturnType<typeof list>) =>
  withPlace({ ...asked, query: { ...asked.query, cursor } });

test.each(["17", "1.2.3", "WzEsInJ1bl8xIl0", "a-name", "a~b"])("the place %s comes back in its list", (place) => {
  const cursor = cursorAt(place, list({ state: "failed", limit: 5 }));
  expect(placeIn(cursor, list({ limit: 7, state: "failed" }))).toEqual({ limit: 7, state: "failed", cursor: place });
});

test("ends of a span, the form and an absent filter may be others", () => {
  const cursor = cursorAt("17", list({ by: "day", format: "csv" }));
  expect(placeIn(cursor, list({ by: "day", from: 1, to: 2, label: undefined }))).toMatchObject({ cursor: "17" });
});

test.each([
  ["another filter", list({ state: "ready" })],
  ["one filter more", list({ state: "failed", pool: "p" })],
  ["no filter", list({})],
  ["another run", list({ state: "failed" }, { run: "s" })],
  ["another list", list({ state: "failed" }, { run: "r" }, "/v1/runs/:run/turns")],
])("%s is refused", (_, asked) => {
  let thrown: unknown;
  try {
    placeIn(cursorAt("17", list({ state: "failed" })), asked);
  } catch (error) {
    thrown = error;
  }
  expect((thrown as Fault).data).toMatchObject({
    code: "validation_failed",
    errors: [{ path: "cursor", message: expect.stringMatching(/^of another list, .* or begin without$/) }],
  });
});

test("a cursor without a tag, as it was handed out before, is a place", () => {
  expect(placeIn("17", list({ state: "failed" }))).toEqual({ state: "failed", cursor: "17" });
  expect(withPlace(list({ state: "failed" }))).toEqual({ state: "failed" });
});
