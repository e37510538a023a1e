/** Tells a call from others that have its name. */

import { createHash } from "node:crypto";

/** SHA-256, in hex, of the tool's name and the JSON text of its arguments, as they came. */
export const callFingerprint = (tool: string, args: string): string =>
  createHash("sha256").update(`${tool}\n${args}`, "utf8").digest("hex");

/** As much of it as tells a mistake: 48 bits. */
export const callPrint = (tool: string, args: string): string => callFingerprint(tool, args).slice(0, 12);
