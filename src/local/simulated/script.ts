/** The JSON of a ```sim block (contract, DESIGN §10), checked strictly: a misspelt field would silently play another script. */

import * as z from "zod";

const milliseconds = z.number().min(0);
const count = z.int().min(0);
/** Both vendors take these names, in a call that comes back to them too. */
const toolName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/);

const turn = z.strictObject({
  calls: z
    .array(z.strictObject({ tool: toolName, arguments: z.record(z.string(), z.unknown()).default({}) }))
    .default([]),
  text: z.string().optional(),
  latency_ms: milliseconds.optional(),
  stream_ms: milliseconds.optional(),
  usage: z.strictObject({ input: count.optional(), output: count.optional() }).optional(),
  fail: z.strictObject({ status: z.int().min(400).max(599), times: count }).optional(),
});

const script = z.strictObject({
  latency_ms: milliseconds.optional(),
  window: z.int().min(1).optional(),
  concurrent: z.int().min(1).optional(),
  responses_only: z.boolean().optional(),
  turns: z.array(turn),
});

export type Script = z.infer<typeof script>;
export type ScriptTurn = z.infer<typeof turn>;

/** A block that can't be played; the message says what is wrong with it. */
export class BadScript extends Error {
  override readonly name = "BadScript";
}

/** @throws BadScript */
export function parseScript(body: string): Script {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    throw new BadScript(`The \`\`\`sim block is not JSON: ${(error as SyntaxError).message}`);
  }
  const parsed = script.safeParse(value);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.join(".") || "the block"}: ${message}`);
  throw new BadScript(`The \`\`\`sim block is malformed: ${wrong.join("; ")}`);
}
