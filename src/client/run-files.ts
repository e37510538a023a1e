/** A run's file, line by line: read from a stream, checked as it passes, and cut into requests. */

import { importRequestBytes } from "../limits.ts";
import { BrokenExport, HeddleProblem } from "./errors.ts";
import { lineDigest } from "./line-digest.ts";

/**
 * Lines of a body without their breaks; a last one without a break counts. Breaks that an editor or git has made Windows' are breaks:
 * no line of a run's file ends in white space of its own.
 */
export async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  let rest = "";
  for await (const chunk of body) {
    const parts = (rest + utf8.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop()!;
    for (const line of parts) yield withoutReturn(line);
  }
  rest = withoutReturn(rest + utf8.decode());
  if (rest !== "") yield rest;
}

const withoutReturn = (line: string): string => (line.endsWith("\r") ? line.slice(0, -1) : line);

interface End {
  readonly end?: unknown;
  readonly lines?: number;
  readonly digest?: string;
  readonly problem?: Record<string, unknown>;
}

/**
 * Passes the lines on, the last one only when it fits all before it.
 * @throws BrokenExport when it does not, or is not there; HeddleProblem that a server put in its place
 */
export async function* checkedLines(lines: AsyncIterable<string>): AsyncGenerator<string, void, void> {
  const digestOf = await lineDigest();
  let digest = "";
  let count = 0;
  let ended = false;
  for await (const line of lines) {
    if (ended) throw new BrokenExport(`line ${count + 2}: something follows the last line`);
    const last = lastOf(line);
    if (last?.problem) throw new HeddleProblem(Number(last.problem.status ?? 500), last.problem);
    if (last) {
      if (last.lines !== count || last.digest !== digest)
        throw new BrokenExport(`the file was changed: its digest does not match its ${count} lines`);
      ended = true;
    } else {
      digest = await digestOf(digest, line);
      count++;
    }
    yield line;
  }
  if (!ended) throw new BrokenExport(`the file is cut off after ${count} lines: its last line is missing`);
}

/** The line that ends a file, or says why there is none. */
function lastOf(line: string): End | undefined {
  if (!/^\s*\{\s*"(?:end|problem)"/.test(line)) return undefined;
  try {
    return JSON.parse(line) as End;
  } catch {
    throw new BrokenExport("the last line is cut off");
  }
}

/** The lines in texts of about `importRequestBytes`, each with how many lines come before it. */
export async function* requestsOf(
  lines: AsyncIterable<string>,
): AsyncGenerator<{ after: number; text: string; count: number }, void, void> {
  let after = 0;
  let bytes = 0;
  let batch: string[] = [];
  const taken = () => ({ after, text: `${batch.join("\n")}\n`, count: batch.length });
  for await (const line of lines) {
    const size = new TextEncoder().encode(line).length + 1;
    if (batch.length > 0 && bytes + size > importRequestBytes) {
      yield taken();
      after += batch.length;
      batch = [];
      bytes = 0;
    }
    batch.push(line);
    bytes += size;
  }
  if (batch.length > 0) yield taken();
}
