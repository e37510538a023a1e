/** A JSON Schema as a person reads it: what type, which bounds, and the fields in a table. */

import { html } from "hono/html";
import type { Schema } from "./document.ts";

/** What `html` makes: escaped where it came from values. */
export type Markup = ReturnType<typeof html>;

const schemaName = ($ref: string): string => $ref.split("/").at(-1)!;
export const schemaId = (name: string): string => `schema-${name}`;

/** The type in a line, with links to named schemas. */
export function typeOf(schema: Schema): Markup {
  const { $ref, anyOf, items, additionalProperties } = schema;
  if ($ref !== undefined) return html`<a href="#${schemaId(schemaName($ref))}">${schemaName($ref)}</a>`;
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`;
  if (schema.enum) return joined(schema.enum.map((value) => html`<code>${JSON.stringify(value)}</code>`));
  if (anyOf) return joined(anyOf.map(typeOf));
  if (items) return html`list of ${typeOf(items)}${bounds(schema)}`;
  if (schema.properties) return html`object`;
  if (typeof additionalProperties === "object") return html`map of name to ${typeOf(additionalProperties)}`;
  const { type } = schema;
  return html`${type === undefined ? "anything" : typeof type === "string" ? type : type.join(" or ")}${bounds(schema)}`;
}

const joined = (parts: readonly Markup[]): Markup =>
  html`${parts.map((part, i) => html`${i > 0 ? " or " : ""}${part}`)}`;

function bounds(schema: Schema): string {
  const range = (least: number | undefined, most: number | undefined, unit: string): string[] => {
    if (least === undefined && (most === undefined || most === Number.MAX_SAFE_INTEGER)) return [];
    if (most === undefined || most === Number.MAX_SAFE_INTEGER) return [`at least ${least}${unit}`];
    return [least === undefined ? `at most ${most}${unit}` : `${least} to ${most}${unit}`];
  };
  const all = [
    ...range(schema.minimum, schema.maximum, ""),
    ...range(schema.minLength, schema.maxLength, " characters"),
    ...range(schema.minItems, schema.maxItems, " items"),
    ...(schema.pattern === undefined ? [] : [`matches ${schema.pattern}`]),
  ];
  return all.length === 0 ? "" : ` (${all.join(", ")})`;
}

/** Its fields, and those of objects within it; nothing for what has none. */
export function fieldsOf(schema: Schema): Markup | "" {
  const values = typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
  const inner = schema.items ?? (schema.properties ? schema : (values ?? schema));
  const { anyOf, properties, required = [] } = inner;
  if (inner.$ref !== undefined) return "";
  if (anyOf) return html`${anyOf.map(fieldsOf)}`;
  if (!properties) return "";
  return html`<table>
${Object.entries(properties).map(
  ([name, field]) => html`<tr><th scope="row"><code>${name}</code></th><td>${typeOf(field)}${
    required.includes(name) ? "" : html` <i>optional</i>`
  }${field.default === undefined ? "" : html`, default <code>${JSON.stringify(field.default)}</code>`}${
    field.description === undefined ? "" : html`<p>${field.description}</p>`
  }${fieldsOf(field)}</td></tr>
`,
)}</table>`;
}
