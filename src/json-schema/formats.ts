/** The formats that strings are held to: the library's, none of which takes long for a short text, but for one. */

import { format as known } from "@cfworker/json-schema";
import { formatCharsMax } from "../limits.ts";
import type { Work } from "./work.ts";

/** Whether the text has this format; one that nobody knows has no say. @throws TooMuchWork */
export function hasFormat(name: string, text: string, work: Work): boolean {
  if (!Object.hasOwn(known, name)) return true;
  if (text.length > formatCharsMax) return false;
  // An address that is none is an exception, which takes as long as many steps.
  work.spend((name === "url" ? 128 : 8) + text.length / 4);
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
