/**
 * References of a text to other tasks' results: `{{key}}` and `{{key.path}}` (DESIGN §4).
 *
 * Invariants
 * - R1 One pass from left to right; what is put in is never read again, so a result cannot refer to anything.
 * - R2 `{{{{` is taken first and writes a literal `{{`; any double brace that is no reference stays as it is.
 * - R3 Nothing inside a ```sim block is touched, `{{{{` included: the simulated model reads it as it was written.
 */

import { keyPattern } from "../ids.ts";
import { inlineResultBytesMax } from "../limits.ts";
import { simBlocks } from "./sim-blocks.ts";

export interface Reference {
  readonly key: string;
  /** Member names and array indexes, as written; empty for the whole result. */
  readonly path: string[];
}

// A segment is any text without white space, braces and dots: a member name that has one of these can't be referred to.
const token = new RegExp(`\\{\\{\\{\\{|\\{\\{(${keyPattern.source.slice(1, -1)})((?:\\.[^\\s{}.]+)*)\\}\\}`, "g");

/** Calls `literal` and `token` for the pieces of `text` in order; sim blocks are literal. */
function walk(text: string, onLiteral: (piece: string) => void, onToken: (match: RegExpMatchArray) => void): void {
  const scan = (piece: string): void => {
    let at = 0;
    for (const match of piece.matchAll(token)) {
      onLiteral(piece.slice(at, match.index));
      onToken(match);
      at = match.index + match[0].length;
    }
    onLiteral(piece.slice(at));
  };
  let at = 0;
  for (const block of simBlocks(text)) {
    scan(text.slice(at, block.start));
    onLiteral(text.slice(block.start, block.end));
    at = block.end;
  }
  scan(text.slice(at));
}

const referenceOf = (match: RegExpMatchArray): Reference | undefined =>
  match[1] === undefined ? undefined : { key: match[1], path: match[2] ? match[2].slice(1).split(".") : [] };

/** The references of a text in order, repeated ones too. */
export function findReferences(text: string): Reference[] {
  // Most texts have none, and to look for sim blocks costs more than all else of a task's creation.
  if (!text.includes("{{")) return [];
  const found: Reference[] = [];
  walk(
    text,
    () => {},
    (match) => {
      const reference = referenceOf(match);
      if (reference) found.push(reference);
    },
  );
  return found;
}

/** The text with each reference replaced by what `lookup` gives; or the first reference (`key.path`) that it does not have. */
export function substitute(
  text: string,
  lookup: (key: string, path: string[]) => { ok: true; text: string } | { ok: false },
): { ok: true; text: string } | { ok: false; missing: string } {
  const parts: string[] = [];
  let missing: string | undefined;
  walk(
    text,
    (piece) => parts.push(piece),
    (match) => {
      const reference = referenceOf(match);
      if (!reference) return void parts.push("{{");
      if (missing !== undefined) return;
      const answer = lookup(reference.key, reference.path);
      if (answer.ok) parts.push(answer.text);
      else missing = [reference.key, ...reference.path].join(".");
    },
  );
  return missing === undefined ? { ok: true, text: parts.join("") } : { ok: false, missing };
}

const indexPattern = /^(0|[1-9][0-9]{0,9})$/;

/** The value at `path` of a JSON value, by own member names and array indexes; undefined when there is none. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let here = value;
  for (const segment of path) {
    if (Array.isArray(here)) here = indexPattern.test(segment) ? here[Number(segment)] : undefined;
    else if (typeof here === "object" && here !== null && Object.hasOwn(here, segment))
      here = (here as Record<string, unknown>)[segment];
    else return undefined;
  }
  return here;
}

/** The longest beginning of `text` of at most `bytesMax` bytes of UTF-8 that parts no character. */
function cutBytes(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax) return text;
  return text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(bytesMax)).read);
}

const attributeEscapes: Record<string, string> = { "&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;" };

/**
 * A task's result as a marked block, so that it enters a context as data: text as it is, other values as JSON, a failure
 * as its `{error}`. Over `maxBytes` of UTF-8 it is cut between characters and marked `truncated="true"`.
 * A closing mark inside is written `<\/result`, which in JSON still is the same string.
 */
export function resultBlock(
  of: string,
  value: { readonly result?: unknown; readonly error?: { readonly code: string; readonly message: string } },
  maxBytes = inlineResultBytesMax,
): string {
  const { result, error } = value;
  const whole = error
    ? JSON.stringify({ error: { code: error.code, message: error.message } })
    : typeof result === "string"
      ? result
      : JSON.stringify(result ?? null);
  const text = cutBytes(whole, maxBytes);
  const name = of.replace(/[&"<>]/g, (c) => attributeEscapes[c]!);
  const mark = text.length < whole.length ? ' truncated="true"' : "";
  return `<result of="${name}"${mark}>${text.replace(/<\/(?=result)/gi, "<\\/")}</result>`;
}
