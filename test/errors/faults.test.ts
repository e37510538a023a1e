/** The table of faults says what exists, and its page says what the table does. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loggedEvents } from "../../src/contract/logged-events.ts";
import { problems, toolHints } from "../../src/errors/codes.ts";
import { type FaultClass, faults, ruleOf } from "../../src/errors/faults.ts";
import { faultsPage } from "../../src/errors/faults-page.ts";
import { Newer } from "../../src/errors/newer.ts";
import { platformFaultOf } from "../../src/errors/platform.ts";

const classes = Object.keys(faults) as FaultClass[];

test("docs/faults.md is the page of this table (npm run docs:faults writes it)", () => {
  expect(readFileSync(join(import.meta.dirname, "../../docs/faults.md"), "utf8")).toBe(faultsPage());
});

test.each(classes)("%s names things that exist, and somebody is told of it", (fault) => {
  const { event, problem, tool, finding, log, retry, ends } = ruleOf(fault);
  if (event !== undefined) expect(loggedEvents).toHaveProperty(event);
  if (problem !== undefined) expect(problems).toHaveProperty(problem);
  if (tool !== undefined) expect(toolHints).toHaveProperty(tool);
  expect([event, problem, finding, log].filter((one) => one !== undefined)).not.toEqual([]);
  // What uses up attempts must end somewhere: of a task's with its end, of a call's with the tool's error.
  if (retry.kind === "attempt" || retry.kind === "if_said") expect([ends, tool]).not.toEqual([undefined, undefined]);
});

describe("errors of the platform", () => {
  const marked = (marks: object) => Object.assign(new Error("x"), marks);
  test.each([
    [marked({ retryable: true, remote: true }), "object_unavailable"],
    [marked({ durableObjectReset: true }), "object_unavailable"],
    [marked({ overloaded: true }), "object_overloaded"],
    [marked({ overloaded: true, retryable: true }), "object_overloaded"],
    [
      new Error("Serialized RPC arguments or return values are limited to 32MiB, but the size was 33"),
      "call_too_large",
    ],
    [new Error("D1_ERROR: Network connection lost."), "database_unavailable"],
    [new Error("D1_ERROR: D1 DB is overloaded. Too many requests queued."), "database_unavailable"],
    [
      new Error("D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset."),
      "database_unavailable",
    ],
    [new Error("D1_ERROR: UNIQUE constraint failed: runs.id: SQLITE_CONSTRAINT"), undefined],
    [new Error("invariant broken: x"), undefined],
    [new Error(new Newer("It is of version 9.").message), "storage_newer"],
    [marked({ remote: true }), undefined],
    ["a text", undefined],
    [null, undefined],
  ])("%s is %s", (error, fault) => {
    expect(platformFaultOf(error)).toBe(fault);
  });
});
