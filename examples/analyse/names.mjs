// What a file takes from others and offers to them, by the forms that its language has for it.

const importForms = {
  js: [
    /\b(?:import|export)\b[^;'"()]*?\bfrom\s*["']([^"'\n]+)["']/g,
    /\bimport\s*["']([^"'\n]+)["']/g,
    /\b(?:require|import)\(\s*["']([^"'\n]+)["']/g,
  ],
  python: [/^[ \t]*import[ \t]+([\w.]+)/gm, /^[ \t]*from[ \t]+([.\w]+)[ \t]+import/gm],
  go: [/^\s*import\s+(?:[\w.]+\s+)?"([^"\n]+)"/gm, /^\t(?:[\w.]+ )?"([\w./-]+)"$/gm],
  rust: [/^[ \t]*(?:pub(?:\([^)]*\))?[ \t]+)?use[ \t]+([\w:]+)/gm, /^[ \t]*extern crate (\w+)/gm],
  java: [/^[ \t]*import[ \t]+(?:static[ \t]+)?([\w.]+)/gm],
  swift: [/^[ \t]*import[ \t]+(\w+)/gm],
  csharp: [/^[ \t]*using[ \t]+(?:static[ \t]+)?([\w.]+)[ \t]*;/gm],
  c: [/^[ \t]*#[ \t]*include[ \t]*[<"]([^>"\n]+)[>"]/gm],
  php: [/^[ \t]*use[ \t]+([\w\\]+)/gm, /\b(?:require|include)(?:_once)?[ (]+["']([^"'\n]+)["']/g],
  ruby: [/^[ \t]*require(?:_relative)?[ (]+["']([^"'\n]+)["']/gm],
  shell: [/^[ \t]*(?:source|\.)[ \t]+["']?([^\s"';]+)/gm],
  css: [/@(?:import|use)\s+(?:url\()?["']([^"'\n]+)["']/g],
};

const exportForms = {
  js: [
    /^\s*export\s+(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:function\*?|class|const|let|var|interface|type|enum)\s+([\w$]+)/gm,
    /^\s*export\s+(default)\b/gm,
  ],
  python: [/^(?:async\s+)?(?:def|class)\s+([A-Za-z]\w*)/gm],
  go: [/^(?:func(?:\s*\([^)]*\))?|type|var|const)\s+([A-Z]\w*)/gm],
  rust: [
    /^[ \t]*pub(?:\([^)]*\))?[ \t]+(?:async[ \t]+|unsafe[ \t]+|const[ \t]+)*(?:fn|struct|enum|trait|type|mod|static|const)[ \t]+(\w+)/gm,
  ],
  java: [/\bpublic\s+(?:static\s+|final\s+|abstract\s+)*(?:class|interface|enum|record)\s+(\w+)/g],
  csharp: [/\bpublic\s+(?:static\s+|sealed\s+|abstract\s+|partial\s+)*(?:class|interface|enum|struct|record)\s+(\w+)/g],
};

const namesBy = (forms, text) => {
  const names = new Set();
  for (const form of forms ?? []) for (const match of text.matchAll(form)) names.add(match[1]);
  return [...names];
};

/** Modules named in the source, each once. `text` has its strings and no comments. */
export const importsOf = (text, language) => namesBy(importForms[language.family], text);

/** Names that the file offers, each once. */
export function exportsOf(text, language) {
  const names = namesBy(exportForms[language.family], text);
  if (language.family === "js") {
    for (const match of text.matchAll(/^\s*export\s+(?:type\s+)?\{([^}]*)\}/gm)) {
      for (const part of match[1].split(",")) {
        const name = part
          .trim()
          .split(/\s+as\s+/)
          .pop()
          ?.replace(/^type\s+/, "");
        if (name) names.push(name);
      }
    }
  }
  return [...new Set(names)];
}

/** The package of an import: what one would install. Undefined for the project's own files and the language's own modules. */
export function packageOf(name, language) {
  if (/^[./]|^node:|^std\b|^core\b|^crate\b|^self\b|^super\b/.test(name)) return undefined;
  if (language.family === "js") return /^(@[^/]+\/[^/]+|[^@/][^/]*)/.exec(name)?.[1];
  if (language.family === "python") return name.split(".")[0] || undefined;
  if (language.family === "rust") return name.split("::")[0];
  return ["go", "java", "csharp", "swift", "ruby", "php"].includes(language.family) ? name : undefined;
}
