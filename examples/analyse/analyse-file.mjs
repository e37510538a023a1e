// One file: what is in it, in numbers and names. Everything is bounded, so that hundreds of these fit one context.

import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { complexityOf, functionsOf } from "./functions.mjs";
import { languageOf } from "./languages.mjs";
import { mask } from "./mask.mjs";
import { exportsOf, importsOf, packageOf } from "./names.mjs";
import { notesOf, secretsOf } from "./suspects.mjs";

const fileBytesMax = 4 * 1024 * 1024;
const namesMax = 40;
const shownMax = 5;

/** The analysis of `path` below `root`. The path comes from a task, which may say anything: nothing outside is opened. */
export function analyseFile(root, path) {
  const base = realpathSync(root);
  const full = resolve(base, path);
  if (!full.startsWith(base + sep)) throw new Error(`${path} is not in the folder`);
  if (!lstatSync(full).isFile() || !realpathSync(full).startsWith(base + sep))
    throw new Error(`${path} is not a plain file of the folder`);
  const bytes = readFileSync(full);
  if (bytes.length > fileBytesMax) throw new Error(`${path} is over ${fileBytesMax} bytes`);
  const text = bytes.toString("utf8");
  const language = languageOf(path, text);
  const { code, withStrings, kinds } = mask(text, language);
  const lines = text.split("\n");
  const count = (kind) => kinds.filter((other) => other === kind).length;
  const measured = !language.prose && !language.data;
  const functions = measured ? functionsOf(code, language) : [];
  const imports = measured ? importsOf(withStrings, language) : [];
  const notes = notesOf(lines, kinds, language.prose);
  // A callback without a name says little, and a test file's is all of its tests.
  const nameable = functions.filter(({ name }) => name !== "(anonymous)");
  const top = (by) => [...nameable].sort((a, b) => b[by] - a[by]).slice(0, shownMax);
  return {
    kind: "file",
    path,
    language: language.name,
    bytes: bytes.length,
    hash: createHash("sha256").update(bytes).digest("hex").slice(0, 12),
    lines: { total: kinds.length, code: count("code"), comment: count("comment"), blank: count("blank") },
    longest_line: lines.reduce((longest, line) => Math.max(longest, line.length), 0),
    complexity: measured ? complexityOf(code) : 0,
    functions: { count: functions.length, longest: top("lines"), most_complex: top("complexity") },
    exports: measured ? exportsOf(withStrings, language).slice(0, namesMax) : [],
    packages: [...new Set(imports.map((name) => packageOf(name, language)).filter(Boolean))].slice(0, namesMax),
    uses: [...new Set(imports.map((name) => ownFile(base, path, name, language)).filter(Boolean))].slice(0, namesMax),
    notes: { count: notes.length, first: notes.slice(0, shownMax) },
    secrets: secretsOf(lines).slice(0, shownMax),
  };
}

const endings = [
  "",
  ".ts",
  ".tsx",
  ".mts",
  ".js",
  ".jsx",
  ".mjs",
  ".cjs",
  ".py",
  ".rb",
  ".h",
  ".css",
  ".scss",
  "/index.ts",
  "/index.tsx",
  "/index.js",
  "/__init__.py",
];

/** The file of the same folder tree that an import names; undefined for a package. */
function ownFile(base, path, name, language) {
  let target = name;
  if (language.family === "python") {
    const dots = /^\.+/.exec(name)?.[0].length ?? 0;
    if (dots === 0) return undefined;
    target = `${"../".repeat(dots - 1) || "./"}${name.slice(dots).replace(/\./g, "/")}`;
  } else if (!/^\.{1,2}\//.test(name) && language.family !== "c") return undefined;
  const full = resolve(base, dirname(path), target);
  // TypeScript may name the file that it will be compiled to.
  const asSource = full.replace(/\.(m|c)?js$/, ".$1ts");
  for (const ending of endings) {
    for (const candidate of [full + ending, asSource + ending]) {
      if (!candidate.startsWith(base + sep) || !existsSync(candidate) || !lstatSync(candidate).isFile()) continue;
      return relative(base, join(candidate)).split(sep).join("/");
    }
  }
  return undefined;
}
