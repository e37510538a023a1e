/** Controls, and what turns the direction of a line around. */
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g;

/** Text from elsewhere on a terminal: one line, without control characters that could rewrite what the user sees. */
export const oneLine = (text: string): string => text.replace(controls, " ").trim();

/** As `oneLine`, of as many lines as it has. */
export const manyLines = (text: string): string =>
  text
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map((line) => line.replaceAll("\t", "    ").replace(controls, " ").trimEnd())
    .join("\n");

/** `2026-11-26 14:05:09`, in the time zone of whoever reads it. */
export function dateTime(at: number): string {
  const date = new Date(at);
  const two = (n: number): string => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `14:05:09.123` */
export const clockTime = (at: number): string =>
  `${dateTime(at).slice(11)}.${String(new Date(at).getMilliseconds()).padStart(3, "0")}`;
