/** Handles of waits: what goes in comes out, and nothing else does. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { mcpHandleCharsMax } from "../../src/limits.ts";
import { type Handle, printHandle, readHandle } from "../../src/mcp/handles.ts";

const id = fc.string({ minLength: 1, maxLength: 100 });
const since = fc.nat(2_000_000_000_000);
const until = fc.option(since, { nil: undefined }).map((at) => (at === undefined ? {} : { until: at }));
const args = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })).map((value) => JSON.stringify(value));
const handles: fc.Arbitrary<Handle> = fc.oneof(
  fc.record({ of: fc.constant("run" as const), run: id, since }).chain((one) => until.map((at) => ({ ...one, ...at }))),
  fc
    .record({ of: fc.constant("tasks" as const), run: id, since, args })
    .chain((one) => until.map((at) => ({ ...one, ...at }))),
  fc.record({
    ...{ of: fc.constant("session" as const), run: id, since, args, actor: id, call: id },
    ...{ tool: fc.constantFrom("lock", "message_queue"), holds: fc.boolean(), own: fc.boolean() },
  }),
  fc.record({ of: fc.constant("lease" as const), since, args, call: id, tool: fc.constant("await_tasks") }),
);

test("a handle is read as it was printed", () => {
  fc.assert(
    fc.property(handles, (handle) => {
      const text = printHandle(handle);
      // A header can carry it.
      expect(text).toMatch(/^wait_[\w-]+$/);
      expect(readHandle(text!)).toEqual(handle);
    }),
  );
});

test("what has other arguments than a call's is none: whoever reads on would break", () => {
  for (const bad of ["", "x", "null", "[]", "{", `{"a":${"[".repeat(1000)}${"]".repeat(1000)}}`]) {
    const handle: Handle = { of: "tasks", run: "r", since: 1, until: 2, args: bad };
    expect(readHandle(printHandle(handle)!), bad.slice(0, 9)).toBeUndefined();
  }
});

test("arguments that are too long to travel make none", () => {
  const handle: Handle = { of: "tasks", run: "r", since: 1, args: "x".repeat(mcpHandleCharsMax) };
  expect(printHandle(handle)).toBeUndefined();
  expect(readHandle(`wait_${"A".repeat(mcpHandleCharsMax)}`)).toBeUndefined();
});

test("anything else is no handle", () => {
  const of = (value: unknown) => `wait_${Buffer.from(JSON.stringify(value)).toString("base64url")}`;
  const run = { of: "run", run: "r", since: 1 };
  expect(readHandle(of(run))).toEqual(run);
  const refused = [
    ...[{ ...run, of: "other" }, { ...run, since: -1 }, { ...run, more: 1 }, { of: "run" }, [], null, "x"].map(of),
    of({ of: "lease", since: 1, tool: "toString", args: "{}", call: "c" }),
    ...["", "wait_", "wait_!!", "wait_AAAA", of(run).slice(5), ` ${of(run)}`],
  ];
  for (const text of refused) expect(readHandle(text), text).toBeUndefined();
});
