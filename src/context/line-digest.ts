/**
 * The checksum of a run's export, line by line: each line's SHA-256 over the one before it and the line. So whoever reads or
 * writes a part at a time keeps 64 characters between the parts, which the state of one long SHA-256 would not allow.
 */

import { createHash } from "node:crypto";

/** Before the first line. */
export const noDigest = "";

/** `line` is without its line break. */
export const digestOf = (before: string, line: string): string =>
  createHash("sha256").update(`${before}\n${line}\n`, "utf8").digest("hex");
