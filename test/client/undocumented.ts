/**
 * Which exported symbols of compiled declarations lack a docstring. It reads the compiler's own output, whose form is
 * regular: a declaration a line at the margin, a member a line at four spaces.
 */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const exported = /^export (?:declare )?(?:abstract )?(?:class|interface|type|const|function) (\w+)/;
const inherits = /^export declare (?:abstract )?class \w+(?:<[^>]*>)? extends (\w+)/gm;
const named = /^export (?:type )?\{([^}]*)\}(?: from "([^"]+)")?/gm;
const starred = /^export (?:type )?\* from "([^"]+)"/gm;
const member =
  /^ {4}(?!private |protected |constructor\b|#|\*|\/)(?:static |readonly |get |set |async )*(\[?[\w.]+\]?)[<(?:]/;

const target = (file: string, from: string): string => join(dirname(file), from.replace(/(\.d)?\.[jt]s$/, ".d.ts"));

/** `FILE: NAME` of each; of a class also its public members. */
export function undocumented(file: string, wanted?: ReadonlySet<string>): string[] {
  const text = readFileSync(file, "utf8");
  const found: string[] = [];
  for (const [, from] of text.matchAll(starred)) found.push(...undocumented(target(file, from!), wanted));
  for (const [, list, from] of text.matchAll(named)) {
    // `a as b` is the declaration `a` of that file.
    const names = list!.split(",").map((name) =>
      name
        .replace(/\btype\b/, "")
        .trim()
        .split(/ as /)[0]!
        .trim(),
    );
    const asked = names.filter((name) => name !== "" && (!wanted || wanted.has(name)));
    if (from !== undefined && asked.length > 0) found.push(...undocumented(target(file, from), new Set(asked)));
  }
  for (const [line, base] of text.matchAll(inherits)) {
    const from = new RegExp(`import \\{[^}]*\\b${base}\\b[^}]*\\} from "([^"]+)"`).exec(text)?.[1];
    if (from !== undefined && (!wanted || wanted.has(exported.exec(line)![1]!)))
      found.push(...undocumented(target(file, from), new Set([base!])));
  }
  const lines = text.split("\n");
  let declared: string | undefined;
  const seen = new Set<string>();
  for (const [i, line] of lines.entries()) {
    const isExplained = lines[i - 1]?.trimEnd().endsWith("*/") === true;
    const name = exported.exec(line)?.[1];
    if (name !== undefined) {
      declared = !wanted || wanted.has(name) ? name : undefined;
      seen.clear();
      if (declared !== undefined && !isExplained) found.push(`${file}: ${name}`);
      if (!/\bclass\b/.test(line)) declared = undefined;
    } else if (/^\S/.test(line)) declared = line.startsWith("}") ? undefined : declared;
    const own = declared === undefined ? undefined : member.exec(line)?.[1];
    // Of overloads the first says what it is.
    if (own !== undefined && !seen.has(own) && !isExplained) found.push(`${file}: ${declared}.${own}`);
    if (own !== undefined) seen.add(own);
  }
  return [...new Set(found)];
}
