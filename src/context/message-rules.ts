/**
 * What both vendors refuse in a request's messages: the rules that our simulated model enforces and that every test's
 * requests are held to. Known from the vendors' reference and their 400 answers. Where vendor and compatible servers
 * differ the stricter reading counts, since a fork must pass everywhere.
 */

import { checkAnthropic } from "./anthropic-rules.ts";
import { checkOpenai } from "./openai-rules.ts";
import type { Format } from "./types.ts";

/** The violations, each with its place (`messages[2].content[0]: …`); empty when the messages keep every rule. */
export const checkMessages = (format: Format, messages: readonly unknown[]): string[] =>
  format === "anthropic" ? checkAnthropic(messages) : checkOpenai(messages);
