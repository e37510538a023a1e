/** Colours of a terminal; none where nobody would see them (https://no-color.org). */

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

export type Colour = keyof typeof codes;
/** The text in a colour, or as it is. */
export type Paint = (text: string, colour: Colour | undefined) => string;

export const unpainted: Paint = (text) => text;
export const painted: Paint = (text, colour) =>
  colour === undefined || text === "" ? text : `\u001b[${codes[colour]}m${text}\u001b[0m`;

/** Off when the stream is no terminal, NO_COLOR is set, or the terminal is a dumb one. */
export const hasColours = (stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): boolean =>
  stream.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";

/** States of runs and tasks, and severities of findings. */
export const colourOf = (word: string): Colour | undefined => {
  if (["succeeded", "ok"].includes(word)) return "green";
  if (["failed", "error"].includes(word)) return "red";
  if (["cancelled", "skipped", "paused", "warning"].includes(word)) return "yellow";
  return ["running", "active"].includes(word) ? "cyan" : undefined;
};
