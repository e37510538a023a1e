/**
 * The bullets of a Markdown text. All else is comment: headings, paragraphs, numbered lists, quotes, code in fences, and what
 * stands in `<!-- -->`.
 *
 * M1. Every bullet is found, nested ones too, each with the line that it begins on.
 * M2. A bullet goes on over the lines below it that are indented more than it is, up to an empty line or whatever else begins.
 * M3. What is never closed is told of: else a forgotten fence would make a comment of every rule below it.
 */

export interface Line {
  /** From 1. */
  readonly line: number;
  readonly text: string;
}

export interface Scanned {
  readonly bullets: readonly Line[];
  /** Lines of comments that might be meant as rules: numbered items, those after other signs than Markdown's, and plain lines. */
  readonly comments: readonly Line[];
  /** Where something begins that nothing closes. */
  readonly open?: Line;
}

// `s`: Markdown ends lines at CR and LF alone; other ends of lines (U+2028) are characters of a line.
const fence = /^\s*(?:(`{3,})[^`]*|(~{3,}).*)$/su;
const bullet = /^(\s*)[-*+](?:\s+(.*))?$/su;
const ruler = /^\s*([-*_])(?:\s*\1){2,}\s*$/u;
/** What stands before a rule where people meant a bullet: a number, or a sign that is none in Markdown (•, –, - without a space). */
const nearlyBullet = /^\s*(?:\d{1,9}[.)]\s|[^\p{L}\p{N}"\s*]+)\s*(.*)$/su;
const otherBlock = /^\s*(?:#|>|\||<!--|`{3}|~{3})/u;

export function scan(markdown: string): Scanned {
  const bullets: Line[] = [];
  const comments: Line[] = [];
  const lines = markdown.replace(/^\uFEFF/u, "").split(/\r\n|\r|\n/u);
  /** What ends the comment that we are in. */
  let until: ((text: string) => boolean) | undefined;
  let begun: Line | undefined;
  /** The bullet that may go on, and how far it is indented. */
  let last: { readonly at: number; readonly indent: number } | undefined;
  for (const [i, text] of lines.entries()) {
    const line = i + 1;
    if (until) {
      if (until(text)) until = undefined;
      continue;
    }
    const opened = fence.exec(text);
    if (opened || /^\s*<!--/u.test(text)) {
      last = undefined;
      begun = { line, text: opened ? (opened[1] ?? opened[2]!) : "<!--" };
      until = opened ? closes(begun.text) : /-->/u.test(text) ? undefined : (later) => later.includes("-->");
      continue;
    }
    const [, indent, own] = ruler.test(text) ? [] : (bullet.exec(text) ?? []);
    if (indent !== undefined) {
      last = { at: bullets.length, indent: indent.length };
      bullets.push({ line, text: (own ?? "").trim() });
    } else if (last && text.trim() !== "" && indentOf(text) > last.indent && !otherBlock.test(text)) {
      const before = bullets[last.at]!;
      bullets[last.at] = { line: before.line, text: `${before.text} ${text.trim()}` };
    } else {
      last = undefined;
      if (text.trim() !== "" && !otherBlock.test(text))
        comments.push({ line, text: (nearlyBullet.exec(text)?.[1] ?? text).trim() });
    }
  }
  return { bullets, comments, ...(until && begun && { open: begun }) };
}

const indentOf = (text: string): number => text.length - text.trimStart().length;

const closes =
  (mark: string) =>
  (text: string): boolean => {
    const line = text.trim();
    return line.length >= mark.length && line === mark[0]!.repeat(line.length);
  };
