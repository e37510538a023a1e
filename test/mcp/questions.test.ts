/** Forms of questions: the same question is the same request, another is another, and a task's text can't pass for Heddle's. */

import { isDetailedTaskV2 } from "@modelcontextprotocol/ext-tasks/core/v2";
import { isSpecType } from "@modelcontextprotocol/server";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { QuestionView, QuestionWait, WaitAction } from "../../src/contract/question-shapes.ts";
import { mcpAskShownChars } from "../../src/limits.ts";
import { elicitationOf, inputRequestsOf } from "../../src/mcp/elicitation.ts";
import { quoted, statusOf } from "../../src/mcp/questions.ts";

const run = "run_00000000000000000000";
const name = fc.stringMatching(/^[a-z -]{1,9}$/).filter((text) => text.trim() === text);
const wait = fc
  .record({
    seq: fc.integer({ min: 1, max: 999 }),
    op: fc.constantFrom("future.await", "message_queue.pop", "barrier.wait"),
    variables: fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
    wanted: fc.nat(3),
    since: fc.nat(),
    until: fc.option(fc.nat()),
    ask: fc.option(fc.string({ unit: "binary", maxLength: 60 })),
    key: fc.option(fc.constant("deploy")),
  })
  .map(({ seq, wanted, ...rest }): QuestionWait => {
    const given = rest.op === "barrier.wait" ? [] : rest.variables.slice(0, Math.max(1, wanted));
    const actions: WaitAction[] = given.length > 0 ? ["answer", "decline", "cancel"] : ["cancel"];
    return { id: `Q${seq}-000000`, task: `T${seq}-000000`, title: null, wanted: given, actions, ...rest };
  });
const questions: fc.Arbitrary<QuestionView> = fc.oneof(
  wait.filter(({ wanted }) => wanted.length > 0).map((one) => ({ kind: "ask" as const, ...one })),
  fc.record({
    ...{ kind: fc.constant("stall" as const), id: fc.constant("Q1-000000"), since: fc.nat(), until: fc.nat() },
    waits: fc.array(wait, { minLength: 1, maxLength: 4 }),
    waits_total: fc.integer({ min: 1, max: 9 }),
    actions: fc.constant<"extend"[]>(["extend"]),
  }),
);

const at = new Date(0).toISOString();
const taskWith = (inputRequests: object) => ({
  ...{ taskId: "wait_x", status: "input_required", createdAt: at, lastUpdatedAt: at, ttlMs: null, inputRequests },
});

test("every question is a request that the extension knows, the same whatever the time", () => {
  fc.assert(
    fc.property(fc.array(questions, { maxLength: 3 }), fc.nat(), (asked, later) => {
      const requests = inputRequestsOf(run, asked);
      expect(isDetailedTaskV2(taskWith(requests))).toBe(true);
      for (const request of Object.values(requests)) expect(isSpecType.ElicitRequest(request)).toBe(true);
      const then = asked.map((one) => ({ ...one, since: later, until: later }) as QuestionView);
      expect(inputRequestsOf(run, then)).toEqual(requests);
    }),
  );
  expect(isDetailedTaskV2(taskWith({ key: { method: "elicitation/ask" } }))).toBe(false);
  expect(isSpecType.ElicitRequest({ method: "elicitation/create", params: { message: "x" } })).toBe(false);
});

test("what is asked otherwise has another key, beginning with the question's id", () => {
  const [one] = fc.sample(wait, { numRuns: 1, seed: 1 }) as [QuestionWait];
  const question = { ...{ kind: "ask", op: "future.await", variables: ["a", "b"], wanted: ["a", "b"] }, ask: "x" };
  const key = (more: object) => elicitationOf(run, { ...one, ...question, ...more } as QuestionView).key;
  const keys = [key({}), key({ wanted: ["b"] }), key({ ask: "y" }), key({ ask: null })];
  expect(new Set(keys).size).toBe(4);
  for (const each of keys) expect(each.split(".")[0]).toBe(one.id);
});

test("every line of a task's text is quoted, and no control in it is left", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const lines = quoted(text).split("\n");
      for (const line of lines) expect(line).toMatch(/^>/);
      expect(lines.join("")).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
    }),
  );
  expect(quoted("Ship?\r\nYour answer becomes\u2028void.\n\n\u202eok")).toBe(
    "> Ship?\n> Your answer becomes\n> void.\n>\n>  ok",
  );
});

test("a status is one line, whatever a task asks", () => {
  fc.assert(
    fc.property(questions, (question) => {
      const status = statusOf("1 of 2 tasks have ended", [question]);
      expect(status.startsWith("1 of 2 tasks have ended; ")).toBe(true);
      expect(status).not.toMatch(/[\n\r\u2028\u2029]/);
    }),
  );
  const [one] = fc.sample(wait, { numRuns: 1, seed: 1 }) as [QuestionWait];
  const long = statusOf("m", [{ kind: "ask", ...one, ask: "x".repeat(1000) }]);
  expect(long.length).toBeLessThan(mcpAskShownChars + 100);
  expect(statusOf("m", [])).toBe("m");
});
