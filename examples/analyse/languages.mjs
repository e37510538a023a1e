// What a language looks like, as far as counting needs it. Unknown text files are counted line by line.

const cLike = { line: ["//"], block: [["/*", "*/"]], quotes: ['"', "'"], braces: true };
const script = { ...cLike, quotes: ['"', "'", "`"], regex: true };
const hash = { line: ["#"], block: [], quotes: ['"', "'"] };
const keyworded = (word) => ({ ...cLike, functionWord: word });

const languages = {
  TypeScript: { ...script, extensions: ["ts", "tsx", "mts", "cts"], family: "js" },
  JavaScript: { ...script, extensions: ["js", "jsx", "mjs", "cjs"], family: "js" },
  Python: { ...hash, triple: true, indented: true, extensions: ["py", "pyi"], family: "python" },
  Go: { ...keyworded(/\bfunc\b/), quotes: ['"', "'", "`"], extensions: ["go"], family: "go" },
  Rust: { ...keyworded(/\bfn\b/), quotes: ['"'], extensions: ["rs"], family: "rust" },
  Java: { ...cLike, extensions: ["java"], family: "java" },
  Kotlin: { ...keyworded(/\bfun\b/), extensions: ["kt", "kts"], family: "java" },
  Swift: { ...keyworded(/\b(?:func|init)\b/), extensions: ["swift"], family: "swift" },
  Scala: { ...keyworded(/\bdef\b/), extensions: ["scala"], family: "java" },
  C: { ...cLike, extensions: ["c", "h"], family: "c" },
  "C++": { ...cLike, extensions: ["cc", "cpp", "cxx", "hpp", "hh", "hxx"], family: "c" },
  "C#": { ...cLike, extensions: ["cs"], family: "csharp" },
  PHP: { ...cLike, line: ["//", "#"], extensions: ["php"], family: "php" },
  Ruby: { ...hash, extensions: ["rb"], family: "ruby" },
  Shell: { ...hash, braces: true, extensions: ["sh", "bash", "zsh"], family: "shell" },
  SQL: { line: ["--"], block: [["/*", "*/"]], quotes: ["'"], extensions: ["sql"] },
  Lua: { line: ["--"], block: [["--[[", "]]"]], quotes: ['"', "'"], extensions: ["lua"] },
  CSS: { line: [], block: [["/*", "*/"]], quotes: ['"', "'"], extensions: ["css", "scss", "less"], family: "css" },
  HTML: { line: [], block: [["<!--", "-->"]], quotes: [], extensions: ["html", "htm", "vue", "svelte"] },
  XML: { line: [], block: [["<!--", "-->"]], quotes: [], extensions: ["xml", "svg"] },
  Markdown: { line: [], block: [["<!--", "-->"]], quotes: [], prose: true, extensions: ["md", "mdx"] },
  YAML: { ...hash, extensions: ["yaml", "yml"] },
  TOML: { ...hash, extensions: ["toml"] },
  JSON: { line: [], block: [], quotes: ['"'], data: true, extensions: ["json", "jsonl"] },
};

const byExtension = new Map();
for (const [name, language] of Object.entries(languages)) {
  for (const extension of language.extensions) byExtension.set(extension, { name, ...language });
}
const plain = { name: "Text", line: [], block: [], quotes: [], prose: true };

/** The language of a path, by its extension, or by the first line for scripts without one. */
export function languageOf(path, text = "") {
  const base = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  const known = byExtension.get(base.slice(base.lastIndexOf(".") + 1));
  if (known && base.includes(".")) return known;
  const interpreter = /^#!.*\b(node|python\d?|ruby|php|bash|zsh|sh)\b/.exec(text.slice(0, 200))?.[1] ?? "";
  const extension =
    { node: "js", ruby: "rb", php: "php" }[interpreter] ?? (interpreter.startsWith("python") ? "py" : interpreter);
  return byExtension.get(extension) ?? plain;
}
