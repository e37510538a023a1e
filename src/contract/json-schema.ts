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

const bounds = new Set([
  ...["minLength", "maxLength", "pattern", "minimum", "maximum", "minItems", "maxItems"],
  ...["propertyNames", "additionalProperties"],
]);

/**
 * The schema as a model reads it: names, types, choices and descriptions. Bounds cost tokens in every request, and tell a model nothing
 * until it breaks one; then the error does. Where the description tells the form, because it begins with one or there are several, it
 * stands alone.
 */
export const forModels = (schema: JsonSchema): JsonSchema => slim(schema) as JsonSchema;

function slim(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(slim);
  if (typeof node !== "object" || node === null) return node;
  const { properties, ...rest } = node as JsonSchema;
  const { description, type, items } = rest;
  if (typeof description === "string" && (rest.anyOf !== undefined || description.startsWith("{")))
    return { ...(type !== undefined && { type }), description };
  if (typeof (items as JsonSchema | undefined)?.type === "string" && (items as JsonSchema).properties === undefined)
    rest.items = { type: (items as JsonSchema).type };
  const kept = Object.entries(rest).filter(([name, value]) => !bounds.has(name) || isSchemaOfValues(name, value));
  return {
    ...Object.fromEntries(kept.map(([name, value]) => [name, slim(value)])),
    // Names of fields are no keywords, whatever they are.
    ...(properties !== undefined && {
      properties: Object.fromEntries(
        Object.entries(properties as Record<string, unknown>).map(([name, field]) => [name, slim(field)]),
      ),
    }),
  };
}

/** What a map's values are says something. */
const isSchemaOfValues = (name: string, value: unknown): boolean =>
  name === "additionalProperties" && typeof value === "object" && value !== null && Object.keys(value).length > 0;

function dropNoise(node: JsonSchema, io: "input" | "output"): void {
  // Bounds of safe integers, and names that may be any text.
  if (node.maximum === Number.MAX_SAFE_INTEGER) delete node.maximum;
  if (node.minimum === Number.MIN_SAFE_INTEGER) delete node.minimum;
  delete node.propertyNames;
  // Answers may gain fields; a client that was generated from this must not refuse them.
  if (io === "output" && node.additionalProperties === false) delete node.additionalProperties;
}
