/** A Markdown file in parts: front matter, the text before the first section, and the sections that "## " begins. */

export interface Line {
  readonly number: number;
  readonly text: string;
}

export interface Section {
  readonly heading: string;
  readonly line: number;
  readonly body: readonly Line[];
}

export interface Sections {
  readonly frontMatter: { readonly text: string; readonly line: number } | undefined;
  readonly intro: readonly Line[];
  readonly sections: readonly Section[];
}

/** What begins and is never closed: the line where. */
export interface Unclosed {
  readonly unclosed: "fence" | "front matter";
  readonly line: number;
}

const fenceMark = /^ {0,3}(`{3,}|~{3,})(.*)$/;

/** Headings inside fenced blocks are text, as in any Markdown. */
export function sectionsOf(text: string): Sections | Unclosed {
  const lines = text.split(/\r\n|\n/).map((line, i): Line => ({ number: i + 1, text: line }));
  let frontMatter: Sections["frontMatter"];
  if (lines[0]?.text.trimEnd() === "---") {
    const end = lines.findIndex((line, i) => i > 0 && line.text.trimEnd() === "---");
    if (end < 0) return { unclosed: "front matter", line: 1 };
    frontMatter = { text: textOf(lines.slice(1, end)), line: 2 };
    lines.splice(0, end + 1);
  }
  const intro: Line[] = [];
  const sections: (Section & { body: Line[] })[] = [];
  let fence: { readonly mark: string; readonly line: number } | undefined;
  for (const line of lines) {
    const [, mark, info] = fenceMark.exec(line.text) ?? [];
    if (fence === undefined) {
      const heading = /^##(?:[ \t]+(.*))?$/.exec(line.text);
      if (heading) {
        sections.push({
          heading: (heading[1] ?? "").replace(/[ \t]+#+[ \t]*$/, "").trim(),
          line: line.number,
          body: [],
        });
        continue;
      }
      // A backtick fence has no backtick behind it, else it is code within a line.
      if (mark !== undefined && !(mark.startsWith("`") && info!.includes("`"))) fence = { mark, line: line.number };
    } else if (mark?.startsWith(fence.mark) && info!.trim() === "") fence = undefined;
    (sections.at(-1)?.body ?? intro).push(line);
  }
  return fence === undefined ? { frontMatter, intro, sections } : { unclosed: "fence", line: fence.line };
}

/** Without the empty lines around it; what is indented stays so. */
export const bodyOf = (lines: readonly Line[]): string =>
  textOf(lines)
    .replace(/^(?:[ \t]*\n)+/, "")
    .trimEnd();

export const textOf = (lines: readonly Line[]): string => lines.map(({ text }) => text).join("\n");
