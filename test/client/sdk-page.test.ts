/** docs/sdk.md says which method makes which call: every call of the API that a program makes, and every method of the client. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Heddle } from "../../src/client/index.ts";
import { routes } from "../../src/http/routes.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/sdk.md"), "utf8");
const rows = Array.from(
  page.matchAll(/^\| `(GET|POST|PUT|DELETE) (\S+)` \| (.+) \|$/gm),
  ([, method, path, names]) => ({
    call: `${method} ${path}`,
    methods: Array.from(names!.matchAll(/`(\w+)`/g), ([, name]) => name!),
  }),
);

/** For people, or for programs that have no client yet. */
const forOthers = /^GET \/(reference|openapi\.json|problems\/:code)?$/;

function methodsOf(prototype: object): string[] {
  const names: string[] = [];
  for (let at = prototype; at !== Object.prototype; at = Object.getPrototypeOf(at))
    names.push(...Object.keys(Object.getOwnPropertyDescriptors(at)));
  return names;
}

test("each call has its method", () => {
  const calls = routes
    .filter(({ hidden, path }) => !hidden && !path.startsWith("/admin"))
    .map(({ method, path }) => `${method} ${path}`)
    .filter((call) => !forOthers.test(call));
  expect(rows.map(({ call }) => call).sort()).toEqual(calls.sort());
  for (const { call, methods } of rows) expect([call, methods.length]).not.toEqual([call, 0]);
});

test("each method of the client is told of, and there is no other", () => {
  const inner = ["constructor", "url", "getJson", "getText", "postJson", "putJson", "postTool", "work"];
  const methods = methodsOf(Heddle.prototype).filter((name) => !inner.includes(name));
  expect([...new Set(rows.flatMap((row) => row.methods))].sort()).toEqual([...new Set(methods)].sort());
});
