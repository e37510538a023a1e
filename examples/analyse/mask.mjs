// Takes comments and strings out of a source text without moving anything: what is taken out becomes spaces, line breaks
// stay. So a position in the masked text is a position in the source, and a keyword in a string counts for nothing.

/** `{code, withStrings, kinds}`: without comments and strings; without comments only; and "code", "comment" or "blank" a line. */
export function mask(text, language) {
  const code = text.split("");
  const withStrings = text.split("");
  const commentLines = new Set();
  const codeLines = new Set();
  let line = 0;
  const blank = (target, from, to) => {
    for (let k = from; k < to; k++) if (target[k] !== "\n" && target[k] !== "\r") target[k] = " ";
  };
  const countLines = (from, to, kind) => {
    for (let k = from; k < to; k++) {
      if (text[k] === "\n") line++;
      else if (!/\s/.test(text[k])) kind.add(line);
    }
  };
  const comment = (from, to) => {
    blank(code, from, to);
    blank(withStrings, from, to);
    countLines(from, to, commentLines);
    return to;
  };
  const string = (from, to) => {
    blank(code, from, to);
    countLines(from, to, codeLines);
    return to;
  };
  /** Depths of braces inside `${…}` of template strings that are open. */
  const templates = [];
  let lastCode = "";
  for (let i = 0; i < text.length; ) {
    const c = text[i];
    const block = language.block.find(([open]) => text.startsWith(open, i));
    if (block) {
      const end = text.indexOf(block[1], i + block[0].length);
      i = comment(i, end < 0 ? text.length : end + block[1].length);
    } else if (
      language.line.some((mark) => text.startsWith(mark, i) && !(mark === "#" && text.startsWith("#!", i) && i > 0))
    ) {
      const end = text.indexOf("\n", i);
      i = comment(i, end < 0 ? text.length : end);
    } else if (language.triple && (text.startsWith('"""', i) || text.startsWith("'''", i))) {
      const end = text.indexOf(text.slice(i, i + 3), i + 3);
      const to = end < 0 ? text.length : end + 3;
      // A text that stands alone is documentation.
      i = /[\n:]\s*$|^\s*$/.test(text.slice(Math.max(0, i - 200), i)) ? comment(i, to) : string(i, to);
    } else if (c === "`" && language.quotes.includes("`")) {
      const { to, opens } = templateEnd(text, i + 1, language.regex);
      if (opens) templates.push(0);
      i = string(i, to);
      lastCode = "`";
    } else if (language.quotes.includes(c)) {
      i = string(i, stringEnd(text, i));
      lastCode = c;
    } else if (language.regex && c === "/" && startsRegex(lastCode, text, i)) {
      i = string(i, regexEnd(text, i));
      lastCode = "/";
    } else {
      if (templates.length > 0 && c === "{") templates[templates.length - 1]++;
      if (templates.length > 0 && c === "}" && templates[templates.length - 1]-- === 0) {
        templates.pop();
        const { to, opens } = templateEnd(text, i + 1, true);
        if (opens) templates.push(0);
        i = string(i, to);
        continue;
      }
      if (c === "\n") line++;
      else if (!/\s/.test(c)) {
        codeLines.add(line);
        lastCode = c;
      }
      i++;
    }
  }
  const total = text === "" ? 0 : text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  const kinds = Array.from({ length: total }, (_, k) =>
    codeLines.has(k) ? "code" : commentLines.has(k) ? "comment" : "blank",
  );
  return { code: code.join(""), withStrings: withStrings.join(""), kinds };
}

/** A quoted string ends on its line at the latest, so that an apostrophe in odd places spoils one line only. */
function stringEnd(text, start) {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === text[start]) return i + 1;
    else if (text[i] === "\n") return i;
  }
  return text.length;
}

/** The end of a template string's text: after its quote, or after a "${" that opens code. */
function templateEnd(text, start, hasCode) {
  for (let i = start; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "`") return { to: i + 1, opens: false };
    else if (hasCode && text[i] === "$" && text[i + 1] === "{") return { to: i + 2, opens: true };
  }
  return { to: text.length, opens: false };
}

/** A slash begins a regular expression where no value can have ended. */
function startsRegex(lastCode, text, at) {
  if (lastCode === "" || "(,=:[!&|?{};+-*%<>~^".includes(lastCode)) return true;
  return /\b(?:return|typeof|case|in|of|await|yield)\s*$/.test(text.slice(Math.max(0, at - 12), at));
}

function regexEnd(text, start) {
  let inClass = false;
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "\n") return start + 1;
    else if (text[i] === "[") inClass = true;
    else if (text[i] === "]") inClass = false;
    else if (text[i] === "/" && !inClass) return i + 1;
  }
  return start + 1;
}
