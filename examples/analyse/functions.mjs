// Functions of a masked source: name, line, length, and McCabe's number as far as keywords tell it.

const control =
  /^(?:if|for|while|switch|catch|with|foreach|elseif|elsif|synchronized|using|lock|match|select|else|do|try|loop|return|unless|until|when|guard|defer|unsafe)$/;
const branches =
  /\b(?:if|for|while|case|catch|except|elif|elsif|elseif|foreach|match|guard|unless|until|and|or)\b|&&|\|\||\?\?|\?(?![.:?>,)\]])/g;

/** A measure of how many ways lead through the code: 1 + its branches. An estimate. */
export const complexityOf = (code) => 1 + (code.match(branches)?.length ?? 0);

/** `[{name, line, lines, complexity}]` in the order of their beginnings; lines count from 1. */
export function functionsOf(code, language) {
  if (language.indented) return indentedFunctions(code);
  return language.braces ? bracedFunctions(code, language) : [];
}

function bracedFunctions(code, language) {
  const found = [];
  const open = [];
  const parens = [];
  let closed;
  const lineStarts = startsOf(code);
  for (const { 0: c, index: i } of code.matchAll(/[(){}]/g)) {
    if (c === "(") parens.push(i);
    else if (c === ")") {
      const from = parens.pop();
      if (from !== undefined) closed = { from, to: i };
    } else if (c === "{") {
      const name = functionName(code, i, closed, language);
      open.push(name === undefined ? undefined : { name, from: closed && name !== "(anonymous)" ? closed.from : i });
    } else {
      const begun = open.pop();
      if (begun) found.push({ ...begun, to: i });
    }
  }
  return found.map(({ name, from, to }) => measured(code, lineStarts, name, from, to)).sort((a, b) => a.line - b.line);
}

/** The name of the function whose body opens at `at`; undefined where the brace opens something else. */
function functionName(code, at, closed, language) {
  const header = code.slice(Math.max(0, at - 400), at);
  const line = header.slice(
    Math.max(header.lastIndexOf("\n"), header.lastIndexOf(";"), header.lastIndexOf("{"), header.lastIndexOf("}")) + 1,
  );
  if (language.functionWord && !language.functionWord.test(header.slice(-300))) return undefined;
  const bare = /([\w$]+)\s*=>\s*$/.exec(header);
  if (bare) return assignedName(header.slice(0, bare.index)) ?? "(anonymous)";
  if (!closed) return undefined;
  const between = code.slice(closed.to + 1, at);
  if (
    between.length > 200 ||
    !/^\s*(?:(?::|->)[^;]*?)?\s*(?:=>|const|override|noexcept|async|throws\b[^;{]*|where\b[^;{]*|\([^)]*\)|[\w*.[\]]+)?\s*$/.test(
      between,
    )
  )
    return undefined;
  const before = code.slice(Math.max(0, closed.from - 160), closed.from);
  if (/=>\s*$/.test(between)) return assignedName(before) ?? "(anonymous)";
  if (control.test(/^\s*([A-Za-z]+)/.exec(line.trimStart())?.[1] ?? "") && !/\bfunction\b/.test(line)) return undefined;
  const name = /([A-Za-z_$#~][\w$]*)\s*(?:<[^<>()]*>)?\s*$/.exec(before)?.[1];
  if (name === undefined || control.test(name)) return undefined;
  return name === "function" ? (assignedName(before.replace(/(?:async\s+)?function\s*$/, "")) ?? "(anonymous)") : name;
}

const assignedName = (before) => /([A-Za-z_$#][\w$]*)\s*(?::[^=;{}]{0,120})?[=:]\s*(?:async\s*)?$/.exec(before)?.[1];

function indentedFunctions(code) {
  const lines = code.split("\n");
  const starts = startsOf(code);
  const found = [];
  for (const [i, text] of lines.entries()) {
    const match = /^(\s*)(?:async\s+)?def\s+(\w+)/.exec(text);
    if (!match) continue;
    let last = i;
    for (let k = i + 1; k < lines.length; k++) {
      if (lines[k].trim() === "") continue;
      const indent = /^\s*/.exec(lines[k])[0].length;
      if (indent <= match[1].length && !/^\s*\)/.test(lines[k])) break;
      last = k;
    }
    found.push(measured(code, starts, match[2], starts[i], starts[last] + lines[last].length));
  }
  return found;
}

function measured(code, lineStarts, name, from, to) {
  const first = lineAt(lineStarts, from);
  return {
    name,
    line: first + 1,
    lines: lineAt(lineStarts, to) - first + 1,
    complexity: complexityOf(code.slice(from, to)),
  };
}

function startsOf(code) {
  const starts = [0];
  for (let i = code.indexOf("\n"); i >= 0; i = code.indexOf("\n", i + 1)) starts.push(i + 1);
  return starts;
}

function lineAt(starts, at) {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle] <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}
