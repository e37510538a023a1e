/** JSON Schema of a zod schema, without what says nothing. */

import * as z from "zod";

export type JsonSchema = Record<string, unknown>;

/** As `input` it describes what may be sent, as `output` what is there after validation, or what is answered. */
export function jsonSchemaOf(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io,
    override: ({ jsonSchema }) => dropNoise(jsonSchema, io),
  });
  return json;
}

function dropNoise(node: JsonSchema, io: "input" | "output"): void {
  // Bounds of safe integers, and names that may be any text.
  if (node.maximum === Number.MAX_SAFE_INTEGER) delete node.maximum;
  if (node.minimum === Number.MIN_SAFE_INTEGER) delete node.minimum;
  delete node.propertyNames;
  // Answers may gain fields; a client that was generated from this must not refuse them.
  if (io === "output" && node.additionalProperties === false) delete node.additionalProperties;
}
