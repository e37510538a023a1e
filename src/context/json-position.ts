/** Where a text stops being JSON: JSON.parse says it only for some errors. Run only on texts that JSON.parse has refused. */

const literal = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const escaped = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y;
const space = /[ \t\n\r]*/y;

/** The index of the first character that cannot stand where it does; the text's length when it ends too early. Linear. */
export function jsonErrorAt(text: string): number {
  const open: ("{" | "[")[] = [];
  let expected: "value" | "value or end" | "key" | "key or end" | "colon" | "comma or end" = "value";
  let i = 0;
  for (;;) {
    space.lastIndex = i;
    space.exec(text);
    i = space.lastIndex;
    const c = text[i];
    if (c === undefined) return i;
    const inside = open.at(-1);
    if (expected === "colon") {
      if (c !== ":") return i;
      expected = "value";
      i++;
    } else if (expected === "comma or end") {
      if (inside === undefined) return i;
      if (c === ",") expected = inside === "{" ? "key" : "value";
      else if (c === (inside === "{" ? "}" : "]")) open.pop();
      else return i;
      i++;
    } else if ((expected === "key or end" && c === "}") || (expected === "value or end" && c === "]")) {
      open.pop();
      expected = "comma or end";
      i++;
    } else if (expected === "key" || expected === "key or end") {
      if (c !== '"') return i;
      const end = stringEnd(text, i);
      if (end.bad) return end.at;
      i = end.at;
      expected = "colon";
    } else if (c === "{" || c === "[") {
      open.push(c);
      expected = c === "{" ? "key or end" : "value or end";
      i++;
    } else if (c === '"') {
      const end = stringEnd(text, i);
      if (end.bad) return end.at;
      i = end.at;
      expected = "comma or end";
    } else {
      literal.lastIndex = i;
      if (!literal.test(text)) return i;
      i = literal.lastIndex;
      expected = "comma or end";
    }
  }
}

/** Where the string that opens at `start` ends, or the place in it that is wrong. */
function stringEnd(text: string, start: number): { at: number; bad: boolean } {
  for (let i = start + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 34) return { at: i + 1, bad: false };
    if (c < 32) return { at: i, bad: true };
    if (c !== 92) continue;
    escaped.lastIndex = i + 1;
    if (!escaped.test(text)) return { at: i, bad: true };
    i = escaped.lastIndex - 1;
  }
  return { at: text.length, bad: true };
}

/** `line 3, column 14 (position 52)`, counted in characters from 1; the position from 0. */
export function placeText(text: string, at: number): string {
  const before = text.slice(0, at);
  const line = before.split("\n").length;
  return `line ${line}, column ${at - before.lastIndexOf("\n")} (position ${at})`;
}
