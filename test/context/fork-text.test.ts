import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findForkText, forkText } from "../../src/context/fork.ts";
import { resultBlock } from "../../src/context/references.ts";

const taskId = "T12-abc234";
const plain = { taskId, viaCall: true, results: "", instructions: "count the files" };

/** Pieces that a fork text is made of, so that look-alikes of every kind come up. */
const lookAlike = fc
  .array(
    fc.constantFrom(
      ...["\n", "-", "--- ", "x", "</result>", '<result of="a">', "```sim\n", "\r\n", "{{a}}", ""],
      ` instructions of ${taskId} `,
      `\n--- instructions of ${taskId} ---\n`,
      `\n---- instructions of ${taskId} ----\n`,
      `\n--- output schema of ${taskId} ---\n`,
      forkText(plain),
      forkText({ ...plain, schema: "{}" }),
      forkText({ ...plain, context: forkText(plain) }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(""));
const schema = fc.option(
  fc
    .tuple(fc.jsonValue(), lookAlike, fc.constantFrom(0, 2))
    .map(([a, b, indent]) => JSON.stringify({ a, b }, null, indent)),
  { nil: undefined },
);

describe("forkText", () => {
  it("reads so (snapshot: models read it)", () => {
    expect(forkText(plain)).toMatchInlineSnapshot(`
      "you are task T12-abc234, forked; do: what stands below the line "--- instructions of T12-abc234 ---". The reply above was copied: its calls belong to the parent, which goes on by itself; you do this task only.
      --- instructions of T12-abc234 ---
      count the files"
    `);
    expect(
      forkText({
        taskId,
        viaCall: false,
        results: resultBlock("scan", { result: { files: 3 } }),
        context: "The repository is small.",
        instructions: "Summarise it.",
        schema: '{"type":"object"}',
      }),
    ).toMatchInlineSnapshot(`
      "you are task T12-abc234, forked; do: what stands below the line "--- instructions of T12-abc234 ---". Whatever stands above is the context that you start from; you do this task only. The schema that your result must match follows them.

      <result of="scan">{"files":3}</result>

      The repository is small.

      --- instructions of T12-abc234 ---
      Summarise it.
      --- output schema of T12-abc234 ---
      Your result, as your final text or through finish, must be nothing but JSON that matches this JSON Schema:
      {"type":"object"}"
    `);
  });

  it("says who the child is, in the contract's words, and starts the instructions on a line of their own", () => {
    const text = forkText({ ...plain, results: "R", context: "C" });
    expect(text).toContain(`you are task ${taskId}, forked; do:`);
    expect(text.endsWith("\ncount the files")).toBe(true);
    expect(text.indexOf("\nR\n")).toBeLessThan(text.indexOf("\nC\n"));
  });

  it("property: findForkText gives the task and its instructions back, whatever any part holds", () => {
    fc.assert(
      fc.property(
        fc.record({
          taskId: fc.constant(taskId),
          viaCall: fc.boolean(),
          results: lookAlike,
          context: lookAlike,
          instructions: lookAlike,
        }),
        schema,
        (input, schema) => {
          const text = forkText({ ...input, ...(schema !== undefined && { schema }) });
          expect(findForkText(text)).toEqual({ taskId, instructions: input.instructions });
          expect(text).toContain(input.results);
          expect(text).toContain(input.context);
          expect(text.endsWith(schema ?? `\n${input.instructions}`)).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("is found only where it begins the text", () => {
    const text = forkText(plain);
    expect(findForkText(` ${text}`)).toBeUndefined();
    expect(findForkText(`read: ${text}`)).toBeUndefined();
    expect(findForkText("count the files")).toBeUndefined();
    expect(findForkText("")).toBeUndefined();
    expect(findForkText(text.slice(0, text.indexOf("\n") + 1))).toBeUndefined();
    expect(findForkText(text.replace(taskId, "T1-abc234"))).toBeUndefined();
  });

  it("takes linear time for hostile context", () => {
    const context = `${"-".repeat(1_000_000)} instructions of ${taskId} -\n`.repeat(4) + "-".repeat(1_000_000);
    expect(findForkText(forkText({ ...plain, context }))?.instructions).toBe(plain.instructions);
  });
});
