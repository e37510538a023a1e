// Takes comments and strings out of a source text without moving anything: what is taken out becomes spaces, line breaks
// stay. So a position in the masked text is a position in the source, and a keyword in a string counts for nothing.

/** `{code, withStrings, kinds}`: without comments and strings; without comments only; and "code", "comment" or "blank" a line. */
export function mask(text, language) {
  const plain = plainOf(language);
  let code = "";
  let withStrings = "";
  const commentLines = new Set();
  const codeLines = new Set();
  let line = 0;
  const countLines = (part, kind) => {
    const lines = part.split("\n");
    for (const [k, of] of lines.entries()) if (/\S/.test(of)) kind.add(line + k);
    line += lines.length - 1;
  };
  const comment = (from, to) => {
    const part = text.slice(from, to);
    code += blanked(part);
    withStrings += blanked(part);
    countLines(part, commentLines);
    return to;
  };
  const string = (from, to) => {
    const part = text.slice(from, to);
    code += blanked(part);
    withStrings += part;
    countLines(part, codeLines);
    return to;
  };
  /** Depths of braces inside `${…}` of template strings that are open. */
  const templates = [];
  let lastCode = "";
  const other = (part) => {
    code += part;
    withStrings += part;
    const shown = part.trimEnd();
    if (shown === "") return;
    codeLines.add(line);
    lastCode = shown[shown.length - 1];
  };
  for (let i = 0; i < text.length; ) {
    plain.lastIndex = i;
    const run = plain.exec(text)?.[0];
    if (run !== undefined) {
      other(run);
      i += run.length;
      continue;
    }
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
      other(c);
      if (c === "\n") line++;
      i++;
    }
  }
  const total = text === "" ? 0 : text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  const kinds = Array.from({ length: total }, (_, k) =>
    codeLines.has(k) ? "code" : commentLines.has(k) ? "comment" : "blank",
  );
  return { code, withStrings, kinds };
}

/** Every character but the line breaks becomes a space. */
const blanked = (text) => text.replace(/[^\n\r]/g, " ");

/** Matches what can begin or end nothing in the language: most of a text, which would take long one by one. */
function plainOf(language) {
  const begins = [...language.block.map(([open]) => open), ...language.line, ...language.quotes].map(
    ([first]) => first,
  );
  const marks = new Set([
    ...begins,
    ...(language.triple ? ['"', "'"] : []),
    ...(language.regex ? ["/"] : []),
    "{",
    "}",
  ]);
  return new RegExp(`[^\\n${[...marks].map((mark) => `\\${mark}`).join("")}]+`, "y");
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
