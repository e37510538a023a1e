import { expect, test } from "vitest";
import { readMessages } from "../../../src/local/simulated/conversation.ts";
import { fillText, fillValue, lookupIn } from "../../../src/local/simulated/templates.ts";
import { calling, results, sim } from "./script.ts";

const lookup = lookupIn(
  readMessages("openai", [
    calling("openai", "a", "b"),
    // Out of order: results belong to calls by id.
    ...results("openai", {
      b: "plain text, not JSON",
      a: '{"token": 7, "deep": {"list": [{"id": "T2-x"}], "none": null}}',
    }),
    calling("openai", "c"),
  ]),
);

test("a string that is one template takes the value with its type", () => {
  expect(fillValue("{{1.0.token}}", lookup)).toBe(7);
  expect(fillValue("{{1.0.deep.list.0.id}}", lookup)).toBe("T2-x");
  expect(fillValue("{{1.0.deep.none}}", lookup)).toBeNull();
  expect(fillValue("{{1.0.deep.list}}", lookup)).toEqual([{ id: "T2-x" }]);
  expect(fillValue("{{1.1}}", lookup)).toBe("plain text, not JSON");
  expect(fillValue({ a: [{ b: "{{1.0.token}}" }], "{{1.0.token}}": 1, c: true }, lookup)).toEqual({
    a: [{ b: 7 }],
    "{{1.0.token}}": 1,
    c: true,
  });
});

test("inside other text it is printed", () => {
  expect(fillValue("token {{1.0.token}} of {{1.0.deep.list.0.id}}: {{1.0.deep.list}}", lookup)).toBe(
    'token 7 of T2-x: [{"id":"T2-x"}]',
  );
  expect(fillText("{{1.0.token}}", lookup)).toBe("7");
});

test("what names nothing stays", () => {
  for (const text of [
    "{{1.0.nope}}",
    "{{1.0.token.x}}",
    "{{1.2}}",
    "{{2.0}}",
    "{{3.0.x}}",
    "{{0.0}}",
    "{{a.b}}",
    "{{1.0.deep.list.length}}",
    "{{1.0.constructor}}",
  ]) {
    expect(fillValue(text, lookup)).toBe(text);
    expect(fillValue(`x ${text}`, lookup)).toBe(`x ${text}`);
  }
});

test("a block nested in a string is another task's", () => {
  const nested = `id {{1.0.token}}\n${sim('{"turns":[{"text":"{{1.0.token}}"}]}')}\nand {{1.0.token}}`;
  expect(fillValue(nested, lookup)).toBe(`id 7\n${sim('{"turns":[{"text":"{{1.0.token}}"}]}')}\nand 7`);
});

test("what was put in is not searched again", () => {
  const echo = lookupIn(readMessages("openai", [calling("openai", "a"), ...results("openai", { a: "{{1.0}}" })]));
  expect(fillText("[{{1.0}}]", echo)).toBe("[{{1.0}}]");
});
