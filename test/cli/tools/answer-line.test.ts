import { describe, expect, it } from "vitest";
import { answerIn, idIn } from "../../../src/cli/tools/answer-line.ts";
import { LineReader } from "../../../src/cli/worker/line-reader.ts";
import { resultBytesMax } from "../../../src/limits.ts";

const answer = (value: unknown) => answerIn(JSON.stringify(value));

describe("an answer", () => {
  it("is a result, whatever JSON it is", () => {
    for (const result of ["text", 0, false, null, [1], { a: 1 }])
      expect(answer({ id: "c", result })).toEqual({ id: "c", verdict: { ok: true, result } });
  });

  it("is an error for the model, with what the tool says beside code and message", () => {
    expect(answer({ id: "c", error: { code: "no_row", message: "none", table: "t" } })).toEqual({
      id: "c",
      verdict: { ok: true, isError: true, result: { error: { code: "no_row", message: "none", table: "t" } } },
    });
    expect(answer({ id: "c", result: "no", is_error: true })).toMatchObject({
      verdict: { isError: true, result: "no" },
    });
  });

  it("is a failure that may be tried again, when it says so", () => {
    const error = { code: "busy", message: "later" };
    expect(answer({ id: "c", error, retryable: true, retry_after_ms: 500 })).toEqual({
      id: "c",
      verdict: { ok: false, error, retryable: true },
      retryAfterMs: 500,
    });
    // The server takes no code but of its form.
    expect(answer({ id: "c", error: { code: "No Code", why: 1 }, retryable: true })).toMatchObject({
      verdict: { error: { code: "tool_process_error", message: '{"code":"No Code","why":1}' } },
    });
  });

  it("is progress, of which only what has its type is kept", () => {
    expect(answer({ id: "c", progress: { message: "half", fraction: 0.5 } })).toEqual({
      id: "c",
      progress: { message: "half", fraction: 0.5 },
    });
    expect(answer({ id: "c", progress: { fraction: "1" } })).toEqual({ id: "c", progress: {} });
  });

  it("over 1 MiB is refused", () => {
    expect(answer({ id: "c", result: "x".repeat(resultBytesMax) })).toMatchObject({
      verdict: { ok: false, error: { code: "result_too_large" } },
    });
  });

  it.each([
    ["hello", "is not JSON"],
    ["[]", "is no JSON object"],
    ['{"result": 1}', 'has no "id"'],
    ['{"id": 7, "result": 1}', 'has no "id"'],
    ['{"id": "c"}', 'has neither "result", nor an object "error" or "progress"'],
    ['{"id": "c", "error": "text"}', 'has neither "result", nor an object "error" or "progress"'],
  ])("%s is none: it %s", (line, unreadable) => {
    expect(answerIn(line)).toEqual({ unreadable });
  });

  it("that is too long to be read still has its id", () => {
    expect(idIn('{"id": "call_\\"1\\"", "result": "aaaa')).toBe('call_"1"');
    expect(idIn('{"result": "aaaa')).toBeUndefined();
  });
});

describe("lines", () => {
  const linesOf = (bytesMax: number, ...parts: string[]) => {
    const lines: [string, boolean][] = [];
    const reader = new LineReader(bytesMax, (line, isCut) => lines.push([line, isCut]));
    for (const part of parts) reader.write(Buffer.from(part));
    reader.end();
    return lines;
  };

  it("are the same however their bytes arrive", () => {
    const text = '{"é":1}\r\n\nlast';
    const whole = linesOf(100, text);
    expect(whole).toEqual([
      ['{"é":1}', false],
      ["", false],
      ["last", false],
    ]);
    const lines: string[] = [];
    const reader = new LineReader(100, (line) => lines.push(line));
    for (const byte of Buffer.from(text)) reader.write(Buffer.from([byte]));
    reader.end();
    expect(lines).toEqual(whole.map(([line]) => line));
  });

  it("that are too long are cut, and the next one is whole", () => {
    expect(linesOf(4, "abcdef", "gh\nxy\nabcd\n")).toEqual([
      ["abcd", true],
      ["xy", false],
      ["abcd", false],
    ]);
  });
});
