/** YAML that a person wrote, with the line of what is wrong and of each part. */

import type { Document, LineCounter } from "yaml";
import { atLine } from "./places.ts";

export interface YamlText {
  readonly value: unknown;
  /** The line where the value at a path begins; undefined where nothing is. */
  lineOf(path: readonly (string | number)[]): number | undefined;
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

function lineOf(document: Document, lines: LineCounter, path: readonly (string | number)[], firstLine: number) {
  const node = document.getIn(path, true) as { range?: readonly number[] | null } | undefined;
  const start = node?.range?.[0];
  return start === undefined ? undefined : firstLine + lines.linePos(start).line - 1;
}
