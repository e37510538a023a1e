/** How many columns of a terminal a text takes: none for marks, two for East Asian wide characters and emoji, else one. */

const clusters = new Intl.Segmenter(undefined, { granularity: "grapheme" });

const plain = /^[\u0020-\u007e]*$/;
const nothing = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]+$/u;
/** The blocks that Unicode's East Asian Width calls wide or fullwidth, and what is drawn as an emoji. */
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18aff}\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\p{Emoji}\ufe0f/u;

const clusterWidth = (cluster: string): number => (nothing.test(cluster) ? 0 : wide.test(cluster) ? 2 : 1);

export function textWidth(text: string): number {
  if (plain.test(text)) return text.length;
  let width = 0;
  for (const { segment } of clusters.segment(text)) width += clusterWidth(segment);
  return width;
}

/** As much of the text as fits, never half a character; "…" ends what was cut. */
export function cutText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  if (width < 1) return "";
  let kept = "";
  let used = 0;
  for (const { segment } of clusters.segment(text)) {
    used += clusterWidth(segment);
    if (used > width - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** Filled with spaces up to the width; never cut. */
export function padText(text: string, width: number, side: "left" | "right" = "left"): string {
  const room = " ".repeat(Math.max(0, width - textWidth(text)));
  return side === "left" ? text + room : room + text;
}

/** How wide a terminal is. 0 is one that was not told its size, not one that is so small. */
export const columnsOf = ({ columns }: Pick<NodeJS.WriteStream, "columns">): number => Math.max(20, columns || 80);
