/** YAML that a person wrote, with the line of what is wrong and of each part. */

import type { Document, LineCounter } from "yaml";
import { atLine, type LineOf, type Path } from "./places.ts";

export interface YamlText {
  readonly value: unknown;
  /** The line of the field, or of the element, at a path; undefined where nothing is. */
  readonly lineOf: LineOf;
}

/** `firstLine`: where in the file the text begins. @throws UsageError */
export async function parseYaml(text: string, from: string, firstLine = 1): Promise<YamlText> {
  // Loaded only for those who write YAML: the other commands start without it.
  const yaml = await import("yaml");
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [wrong] = [...document.errors, ...document.warnings];
  if (wrong) {
    const { line, col } = lines.linePos(wrong.pos[0]);
    throw atLine(from, firstLine + line - 1, `this is not YAML that can be read: ${wrong.message} (column ${col})`);
  }
  return { value: plainOf(document, from, firstLine), lineOf: (path) => lineOf(document, lines, path, firstLine) };
}

function plainOf(document: Document, from: string, firstLine: number): unknown {
  try {
    return document.toJS() ?? {};
  } catch (error) {
    // Aliases that would unfold without end.
    throw atLine(from, firstLine, `this is not YAML that can be read: ${(error as Error).message}`);
  }
}

interface Node {
  readonly range?: readonly number[] | null;
  readonly items?: readonly { readonly key?: Node & { readonly value?: unknown } }[];
}

function lineOf(document: Document, lines: LineCounter, path: Path, firstLine: number) {
  // A field's value may stand in the line below.
  const parent = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents;
  const field = (parent as Node | undefined)?.items?.find(({ key }) => key?.value === path.at(-1))?.key;
  const node = field ?? (document.getIn(path, true) as Node | undefined);
  const start = node?.range?.[0];
  return start === undefined ? undefined : firstLine + lines.linePos(start).line - 1;
}
