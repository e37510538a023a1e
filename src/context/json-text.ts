/**
 * Reads and writes JSON *text* by its spans, so that what was received is passed on byte for byte.
 *
 * Owns: finding a value's exact source text; writing a document that contains such texts.
 * Does not own: validation. Every text given here has already passed JSON.parse; on other text the answers are undefined.
 *
 * Invariants
 * - J1 A value is named by the span it has in the source; nothing is decoded, re-ordered or printed again.
 * - J2 Where a key occurs twice, the last one counts, as in JSON.parse: whoever validated the parsed value validated this.
 * - J3 Time is linear in the text for each level of a path, memory constant: values are skipped, no tree is built.
 */

/** A half-open range of UTF-16 units of a text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const quote = 34;
const backslash = 92;
const openBracket = 91;
const closeBracket = 93;
const openBrace = 123;
const closeBrace = 125;
const comma = 44;

function skipSpace(text: string, at: number): number {
  let i = at;
  for (;;) {
    const c = text.charCodeAt(i);
    if (c !== 32 && c !== 10 && c !== 13 && c !== 9) return i;
    i++;
  }
}

/** The index after the string that opens at `at`. A quote closes it when an even number of backslashes precedes it. */
function skipString(text: string, at: number): number {
  let i = at;
  for (;;) {
    i = text.indexOf('"', i + 1);
    if (i < 0) return text.length;
    let first = i;
    while (text.charCodeAt(first - 1) === backslash) first--;
    if ((i - first) % 2 === 0) return i + 1;
  }
}

/** The index after the array or object that opens at `at`; a counter and not recursion, so depth costs no stack. */
function skipNested(text: string, at: number): number {
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === quote) i = skipString(text, i) - 1;
    else if (c === openBracket || c === openBrace) depth++;
    else if ((c === closeBracket || c === closeBrace) && --depth === 0) return i + 1;
  }
  return text.length;
}

/** The index after the value that begins at `at`. */
function skipValue(text: string, at: number): number {
  const c = text.charCodeAt(at);
  if (c === quote) return skipString(text, at);
  if (c === openBracket || c === openBrace) return skipNested(text, at);
  let i = at;
  for (; i < text.length; i++) {
    const end = text.charCodeAt(i);
    if (end <= 32 || end === comma || end === closeBracket || end === closeBrace) break;
  }
  return i;
}

/** Calls `visit` for each element of the array at `at`; stops when it returns true. Nothing is visited if it is no array. */
function eachElement(text: string, at: number, visit: (element: Span) => boolean): void {
  if (text.charCodeAt(at) !== openBracket) return;
  let i = skipSpace(text, at + 1);
  while (i < text.length && text.charCodeAt(i) !== closeBracket) {
    const end = skipValue(text, i);
    if (visit({ start: i, end })) return;
    i = skipSpace(text, end);
    if (text.charCodeAt(i) === comma) i = skipSpace(text, i + 1);
  }
}

/** Calls `visit` for each member of the object at `at`, duplicates included. Nothing is visited if it is no object. */
function eachMember(text: string, at: number, visit: (key: Span, value: Span) => void): void {
  if (text.charCodeAt(at) !== openBrace) return;
  let i = skipSpace(text, at + 1);
  while (i < text.length && text.charCodeAt(i) !== closeBrace) {
    const key = { start: i, end: skipString(text, i) };
    const start = skipSpace(text, skipSpace(text, key.end) + 1);
    const end = skipValue(text, start);
    visit(key, { start, end });
    i = skipSpace(text, end);
    if (text.charCodeAt(i) === comma) i = skipSpace(text, i + 1);
  }
}

const keyOf = (text: string, span: Span): string => {
  const inner = text.slice(span.start + 1, span.end - 1);
  return inner.includes("\\") ? (JSON.parse(text.slice(span.start, span.end)) as string) : inner;
};

/** The spans of an array's elements; empty when the text is no array. */
export function elementSpans(text: string, at = skipSpace(text, 0)): Span[] {
  const spans: Span[] = [];
  eachElement(text, at, (element) => {
    spans.push(element);
    return false;
  });
  return spans;
}

/** Every member of an object with its spans, duplicates included and in source order; empty when it is no object. */
export function memberSpans(text: string): { key: string; keySpan: Span; value: Span }[] {
  const members: { key: string; keySpan: Span; value: Span }[] = [];
  eachMember(text, skipSpace(text, 0), (keySpan, value) => {
    members.push({ key: keyOf(text, keySpan), keySpan, value });
  });
  return members;
}

/** Where the value at `path` stands: a string names an object's member, a number an array's element. */
export function spanAt(text: string, path: readonly (string | number)[]): Span | undefined {
  const start = skipSpace(text, 0);
  // The end of the whole is looked for only when it is asked for: it costs a pass.
  let here: Span = { start, end: path.length === 0 ? skipValue(text, start) : text.length };
  for (const segment of path) {
    const from: number = here.start;
    let found: Span | undefined;
    if (typeof segment === "number") {
      let index = 0;
      eachElement(text, from, (element) => {
        if (index++ !== segment) return false;
        found = element;
        return true;
      });
    } else {
      eachMember(text, from, (key, value) => {
        if (keyOf(text, key) === segment) found = value;
      });
    }
    if (!found) return undefined;
    here = found;
  }
  return here;
}

/**
 * The exact source text of the value at `path`; undefined when there is none. Strings name members, numbers elements.
 * The answer may share memory with `text`: whoever keeps a small part of a large body for long copies it.
 */
export function rawAt(text: string, path: readonly (string | number)[]): string | undefined {
  const span = spanAt(text, path);
  return span && text.slice(span.start, span.end);
}

/** The exact texts of an array's elements; empty when the text is no array. */
export const rawElements = (arrayText: string): string[] =>
  elementSpans(arrayText).map((span) => arrayText.slice(span.start, span.end));

/** An object's members with unescaped keys and exact value texts: each key once, with its last value, as JSON.parse has it. */
export function rawMembers(objectText: string): { key: string; value: string }[] {
  const values = new Map<string, Span>();
  for (const { key, value } of memberSpans(objectText)) values.set(key, value);
  return Array.from(values, ([key, span]) => ({ key, value: objectText.slice(span.start, span.end) }));
}

/** The decoded string at `path`; undefined when there is none or it is no string. */
export function stringAt(text: string, path: readonly (string | number)[]): string | undefined {
  const raw = rawAt(text, path);
  return raw?.startsWith('"') ? (JSON.parse(raw) as string) : undefined;
}

/** The text with each string (no member's name) as `replace` has it; all else, and a string that it leaves, byte for byte. */
export function replaceStrings(text: string, replace: (value: string) => string): string {
  const parts: string[] = [];
  let done = 0;
  for (let at = text.indexOf('"'); at >= 0; ) {
    const end = skipString(text, at);
    if (text[skipSpace(text, end)] !== ":") {
      const value = JSON.parse(text.slice(at, end)) as string;
      const replaced = replace(value);
      if (replaced !== value) {
        parts.push(text.slice(done, at), JSON.stringify(replaced));
        done = end;
      }
    }
    at = text.indexOf('"', end);
  }
  return parts.join("") + text.slice(done);
}

/** JSON text that `stringifyRaw` writes as it is. */
export class RawJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function write(value: unknown, parts: string[]): boolean {
  if (value instanceof RawJson) {
    parts.push(value.text);
    return true;
  }
  if (typeof value === "object" && value !== null) {
    if ("toJSON" in value && typeof value.toJSON === "function") return write(value.toJSON(), parts);
    if (Array.isArray(value)) {
      parts.push("[");
      for (let i = 0; i < value.length; i++) {
        if (i > 0) parts.push(",");
        if (!write(value[i], parts)) parts.push("null");
      }
      parts.push("]");
      return true;
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      let separator = "{";
      for (const [key, member] of Object.entries(value)) {
        const mark = parts.length;
        parts.push(`${separator}${JSON.stringify(key)}:`);
        if (write(member, parts)) separator = ",";
        else parts.length = mark;
      }
      parts.push(separator === "{" ? "{}" : "}");
      return true;
    }
  }
  // Primitives, and objects of other classes, which hold no RawJson of ours.
  const text = JSON.stringify(value) as string | undefined;
  if (text !== undefined) parts.push(text);
  return text !== undefined;
}

/**
 * JSON.stringify that writes each RawJson as its text. Undefined members are dropped, undefined elements become null.
 * Linear: the parts are joined once.
 * @throws TypeError for what JSON cannot say (a bigint, undefined as a whole)
 */
export function stringifyRaw(value: unknown): string {
  const parts: string[] = [];
  if (!write(value, parts)) throw new TypeError("not a JSON value");
  return parts.join("");
}
