/** Sizes on the wire are bytes of UTF-8, not characters. */

const encoder = new TextEncoder();

/** Whether `text` takes at most `max` bytes in UTF-8; encodes only when its length alone does not decide it. */
export function fitsUtf8(text: string, max: number): boolean {
  if (text.length > max) return false;
  return text.length * 3 <= max || encoder.encode(text).length <= max;
}
