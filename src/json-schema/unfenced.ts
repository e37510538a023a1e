/**
 * A text without the fenced block (```` ``` ````, ```` ```json ````) that stands around the whole of it: models like to put JSON into one.
 * A regular expression for it would try each line break of a long text with each other one.
 */
export function unfenced(text: string): string {
  const whole = text.trim();
  const begin = whole.indexOf("\n");
  const end = whole.lastIndexOf("\n");
  if (end <= begin || whole.slice(end).trim() !== "```") return text;
  return /^```(?:json)?$/.test(whole.slice(0, begin).trimEnd()) ? whole.slice(begin + 1, end) : text;
}
