/** The formats that strings are held to: the library's, none of which takes long for a short text, but for one. */

import { format as known } from "@cfworker/json-schema";
import { formatCharsMax } from "../limits.ts";

/** Whether the text has this format; one that nobody knows has no say. */
export function hasFormat(name: string, text: string): boolean {
  if (!Object.hasOwn(known, name)) return true;
  if (text.length > formatCharsMax) return false;
  // The library's expression for it takes twice as long with each letter of a host that has no end.
  return name === "url" ? isUrl(text) : known[name]!(text);
}

function isUrl(text: string): boolean {
  if (/\s/.test(text)) return false;
  try {
    const { protocol, hostname } = new URL(text);
    return /^(?:https?|ftp):$/.test(protocol) && /[^.]\.[^.]/.test(hostname);
  } catch {
    return false;
  }
}
