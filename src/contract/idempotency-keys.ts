/** Names that a caller gives its call, by which a repeat is known: over HTTP and MCP. */

import { idempotencyKeyCharsMax } from "../limits.ts";

/** Where a call's `_meta` has it in MCP: of calls that come here, and of those that Heddle makes. */
export const mcpKeyMember = "heddle/idempotency-key";

const printable = new RegExp(`^[\\x21-\\x7e]{1,${idempotencyKeyCharsMax}}$`);

export const isIdempotencyKey = (key: unknown): key is string => typeof key === "string" && printable.test(key);
export const idempotencyKeyExpected = `expected 1 to ${idempotencyKeyCharsMax} printable ASCII characters`;
