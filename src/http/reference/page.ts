/**
 * The API reference as a page, made from /openapi.json's own document: it can say nothing else. It needs no script, so it works
 * wherever a browser does, and nothing is loaded from elsewhere. A viewer of OpenAPI would weigh as much as a third of the Worker.
 */

import { html } from "hono/html";
import type { CodeSection } from "../../errors/code-sections.ts";
import type { ApiDocument, Operation } from "./document.ts";
import { layout } from "./layout.ts";
import { fieldsOf, type Markup, schemaId, typeOf } from "./schema.ts";

interface Place {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/** The whole reference. */
export function referencePage(document: ApiDocument): Markup {
  const places = placesOf(document);
  const groups = document.tags.map(({ name, description }) => ({
    name,
    description,
    id: `tag-${name.toLowerCase().replace(/\W+/g, "-")}`,
    places: places.filter(({ operation }) => operation.tags.includes(name)),
  }));
  return layout(
    "Heddle: API reference",
    html`<nav aria-label="Contents"><p><a href="/">Heddle</a> · <a href="/openapi.json">openapi.json</a></p>
${groups.map(
  ({ name, id, places }) => html`<details open><summary><a href="#${id}">${name}</a></summary><ul>
${places.map(
  ({ operation }) => html`<li><a href="#${operation.operationId}">${operation.summary}</a></li>
`,
)}</ul></details>
`,
)}<details><summary><a href="#schemas">Shapes</a></summary><ul>
${Object.keys(document.components.schemas).map(
  (name) => html`<li><a href="#${schemaId(name)}">${name}</a></li>
`,
)}</ul></details></nav>
<main><h1>API reference</h1>
<p>Every request carries <code>Authorization: Bearer KEY</code> unless it says otherwise. Bodies and answers are JSON; an error is
<code>application/problem+json</code> with a <code>code</code>, which is named with each call and has a page of its own.</p>
${groups.map(
  ({ name, id, description, places }) => html`<h2 id="${id}">${name}</h2>
<p>${description}</p>
${places.map(section)}`,
)}<h2 id="schemas">Shapes</h2>
${Object.entries(document.components.schemas).map(
  ([name, schema]) => html`<section id="${schemaId(name)}"><h3>${name}</h3>
${schema.description === undefined ? "" : html`<p>${schema.description}</p>`}${
  fieldsOf(schema) || html`<p>${typeOf(schema)}</p>`
}</section>
`,
)}</main>`,
  );
}

/** One code's page: what it means, what to do, and which calls can answer it. `sections`: one at least. */
export function codePage(code: string, sections: readonly CodeSection[], document: ApiDocument): Markup {
  const places = placesOf(document).filter(({ operation }) =>
    Object.values(operation.responses).some((response) => response["x-problem-codes"]?.some((one) => one === code)),
  );
  return layout(
    `Heddle: ${code}`,
    html`<main><p><a href="/reference">API reference</a></p>
<h1><code>${code}</code></h1>
${sections.map(
  ({ heading, text }) => html`<h2>${heading}</h2>
${text.map((sentence) => html`<p>${sentence}</p>`)}`,
)}
${
  places.length === 0
    ? ""
    : html`<h2>Calls that can answer it</h2><ul>
${places.map(
  ({
    method,
    path,
    operation,
  }) => html`<li><a href="/reference#${operation.operationId}"><code>${method} ${path}</code></a>: ${operation.summary}</li>
`,
)}</ul>`
}</main>`,
  );
}

const placesOf = (document: ApiDocument): Place[] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );

const section = ({ method, path, operation }: Place): Markup => html`<section id="${operation.operationId}">
<h3>${operation.summary}</h3>
<p class="call"><b>${method}</b> <code>${path}</code></p>
<p>${whose(operation)} ${operation.description ?? ""}</p>
${parameters(operation)}${body(operation)}${answers(operation)}</section>
`;

function whose({ security }: Operation): string {
  const names = security.flatMap((one) => Object.keys(one));
  if (names.includes("operator")) return "Needs the operator's secret.";
  return names.includes("key") ? "Needs a tenant's key." : "Needs no key.";
}

function parameters({ parameters }: Operation): Markup | "" {
  if (parameters.length === 0) return "";
  return html`<h4>Parameters</h4><table>
${parameters.map(
  ({
    name,
    in: place,
    description,
    schema,
  }) => html`<tr><th scope="row"><code>${name}</code></th><td>${place}: ${typeOf(
    schema,
  )}${schema.default === undefined ? "" : html`, default <code>${JSON.stringify(schema.default)}</code>`}${
    description === undefined ? "" : html`<p>${description}</p>`
  }</td></tr>
`,
)}</table>`;
}

function body({ requestBody }: Operation): Markup | "" {
  if (!requestBody) return "";
  return html`${Object.entries(requestBody.content).map(
    ([type, { schema }]) => html`<h4>Body${requestBody.required ? "" : " (optional)"}: <code>${type}</code></h4>
${fieldsOf(schema) || html`<p>${typeOf(schema)}</p>`}`,
  )}`;
}

const answers = ({ responses }: Operation): Markup => html`<h4>Answers</h4><table>
${Object.entries(responses).map(
  ([status, { description, content = {}, "x-problem-codes": codes }]) => html`<tr><th scope="row">${status}</th><td>${
    codes
      ? html`${codes.map((code, i) => html`${i > 0 ? ", " : ""}<a href="/problems/${code}"><code>${code}</code></a>`)}`
      : html`${description}${Object.entries(content).map(
          ([type, { schema }]) => html`<p><code>${type}</code>: ${typeOf(schema)}</p>${fieldsOf(schema)}`,
        )}`
  }</td></tr>
`,
)}</table>`;
