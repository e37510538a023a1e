/** Tells a call from others that have its name. */

import { createHash } from "node:crypto";

/** SHA-256, in hex, of the tool's name and the JSON text of its arguments, as they came. */
export const callFingerprint = (tool: string, args: string): string =>
  createHash("sha256").update(`${tool}\n${args}`, "utf8").digest("hex");
