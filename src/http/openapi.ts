/** /openapi.json (3.1), from the routes' own declarations. Takes some 50 ms: whoever serves it keeps it (made-once.ts). */

import * as z from "zod";
import { jsonSchemaOf } from "../contract/json-schema.ts";
import { problemView } from "../contract/responses.ts";
import { type ProblemCode, problems } from "../errors/codes.ts";
import type { Route } from "./route.ts";

type Json = Record<string, unknown>;

/** Problems that any request of a kind can meet, beside those that a route names. */
const common: Record<Route["access"]["kind"], readonly ProblemCode[]> = {
  public: [],
  operator: ["unauthorized", "validation_failed", "overloaded"],
  key: ["unauthorized", "forbidden", "validation_failed", "too_many_requests", "quota_exceeded", "overloaded"],
  lease: ["lease_lost", "validation_failed", "too_many_requests", "overloaded"],
};
const ofBodies: readonly ProblemCode[] = [
  "malformed_json",
  "unsupported_media_type",
  "body_too_large",
  "idempotency_mismatch",
];

interface Tag {
  readonly name: string;
  readonly description: string;
  readonly paths: RegExp;
}

const runs: Tag = {
  name: "Runs",
  description: "One parallel job: its context, its limits and rules, its tasks and its log.",
  paths: /^\/v1\/runs/,
};

/** A path belongs to the first that fits. */
const tags: readonly Tag[] = [
  {
    name: "Tasks",
    description: "Units of work on forks of a context: created, waited for, told more, cancelled, tried again.",
    paths: /^\/v1\/runs\/:run\/(tasks|wait)/,
  },
  {
    name: "Contexts",
    description: "The main agent's messages, of which only the new ones travel.",
    paths: /^\/v1\/runs\/:run\/(context|snapshots)/,
  },
  {
    name: "Tools and variables",
    description:
      "What agents call: tasks, locks, queues and all other variables; sessions that may hold them from outside, and questions that are answered there.",
    paths: /^\/v1\/(tools|runs\/:run\/(tools|actors|variables|questions))/,
  },
  {
    name: "Log, traces and findings",
    description: "What happens and what happened, where the time went, and what was wrong.",
    paths: /^\/v1\/runs\/:run\/(events|findings|critical-path|trace)/,
  },
  {
    name: "Rules",
    description: "Resource rules in Markdown: checked, tried on what has happened, replaced.",
    paths: /^\/v1\/(rules|runs\/:run\/rules)/,
  },
  runs,
  {
    name: "Workers",
    description: "Pull workers: they lease tasks and calls of a pool and deliver what came of them.",
    paths: /^\/v1\/(pools|leases)/,
  },
  {
    name: "The tenant",
    description: "What a tenant uses and has.",
    paths: /^\/v1\//,
  },
  {
    name: "The operator",
    description: "Tenants, their keys and quotas, and how the deployment fares.",
    paths: /^\/admin/,
  },
  {
    name: "This deployment",
    description: "What it is, and whether it is ready.",
    paths: /^/,
  },
];

const tagOf = (path: string): string => tags.find(({ paths }) => paths.test(path))!.name;

export function openApi(routes: readonly Route[]): Json {
  const schemas: Json = {};
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    if (route.hidden) continue;
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, schemas) };
  }
  schemaOf(problemView, "output", schemas);
  return {
    openapi: "3.1.0",
    info: {
      title: "Heddle",
      version: "1",
      summary: "POSIX threads for LLM agents",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "The deployment that this comes from" }],
    // In this order, but with what all begins with first.
    tags: [runs, ...tags.filter((tag) => tag !== runs)].map(({ name, description }) => ({ name, description })),
    paths,
    components: {
      schemas,
      securitySchemes: {
        key: { type: "http", scheme: "bearer", description: "A tenant's key, hdl_…" },
        operator: { type: "http", scheme: "bearer", description: "The operator's secret" },
      },
    },
  };
}

function operation(route: Route, schemas: Json): Json {
  const { method, path, summary, access, answer } = route;
  return {
    operationId: `${method.toLowerCase()}${path.replace(/\W+(\w)?/g, (_, letter: string | undefined) => (letter ?? "").toUpperCase())}`,
    summary,
    tags: [tagOf(path)],
    ...(access.kind === "key" && { description: `Scope: ${access.scopes.join(" or ")}.` }),
    security: access.kind === "key" ? [{ key: [] }] : access.kind === "operator" ? [{ operator: [] }] : [],
    parameters: [...pathParameters(path), ...queryParameters(route, schemas), ...idempotency(route)],
    ...(route.body && {
      requestBody: {
        required: !route.body.safeParse({}).success,
        content: { "application/json": { schema: schemaOf(route.body, "input", schemas) } },
      },
    }),
    ...(route.lines && {
      requestBody: { required: true, content: { "application/x-ndjson": { schema: { type: "string" } } } },
    }),
    responses: { [answer.status]: success(route, schemas), ...failures(route) },
  };
}

const pathParameters = (path: string): Json[] =>
  Array.from(path.matchAll(/:(\w+)/g), ([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));

function queryParameters({ query }: Route, schemas: Json): Json[] {
  if (!query) return [];
  // As output, a number in a query is described as the number that it stands for.
  const { properties = {} } = schemaOf(query, "output", schemas) as { properties?: Record<string, Json> };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: "query",
    ...(description !== undefined && { description }),
    schema,
  }));
}

const idempotency = ({ method, access, anew }: Route): Json[] =>
  method !== "POST" || access.kind === "public"
    ? []
    : [
        {
          name: "Idempotency-Key",
          in: "header",
          description: anew
            ? "Without effect here, where nothing is kept of a request: each is carried out, whatever its key and body."
            : "Repeats with the same key and body get the first answer, for 24 hours.",
          schema: { type: "string" },
        },
      ];

function success({ summary, answer }: Route, schemas: Json): Json {
  if (answer.status === 204) return { description: "Done" };
  const schema = answer.schema ? schemaOf(answer.schema, "output", schemas) : {};
  const text = { schema: { type: "string" } };
  const content = {
    [answer.contentType ?? "application/json"]: { schema },
    ...(answer.stream && { "text/event-stream": text }),
    ...(answer.alsoType && { [answer.alsoType]: text }),
  };
  return { description: summary, content };
}

const retryAfter: Json = {
  "Retry-After": {
    description: "Seconds to wait before the repetition.",
    required: true,
    schema: { type: "integer", minimum: 1 },
  },
};

/** By status, with the codes that it can have. */
function failures(route: Route): Json {
  const missing: ProblemCode[] = route.access.kind !== "lease" && route.path.includes(":") ? ["not_found"] : [];
  const isNamed = route.method === "POST" && !route.anew;
  const takesBody = route.method === "POST" || route.body !== undefined;
  const bodies = takesBody ? ofBodies.filter((code) => isNamed || code !== "idempotency_mismatch") : [];
  const deleted: ProblemCode[] = route.path.startsWith("/admin/tenants/:tenant/") ? ["tenant_deleted"] : [];
  const codes = new Set([...common[route.access.kind], ...missing, ...deleted, ...bodies, ...(route.problems ?? [])]);
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of codes) byStatus.set(problems[code].status, [...(byStatus.get(problems[code].status) ?? []), code]);
  return Object.fromEntries(
    Array.from(byStatus, ([status, list]) => [
      status,
      {
        description: list.map((code) => `${code}: ${problems[code].title}`).join("; "),
        "x-problem-codes": list,
        ...((status === 429 || status === 503) && { headers: retryAfter }),
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    ]),
  );
}

/** The JSON Schema of `schema`; named ones go to `schemas` and are referred to. */
function schemaOf(schema: z.ZodType, io: "input" | "output", schemas: Json): Json {
  // Wrapped, so that a named schema is a reference here as well.
  const { $defs = {}, properties } = JSON.parse(
    JSON.stringify(jsonSchemaOf(z.object({ schema }), io)).replaceAll("#/$defs/", "#/components/schemas/"),
  ) as { $defs?: Record<string, Json>; properties: { schema: Json } };
  for (const [name, { id: _, ...definition }] of Object.entries($defs)) schemas[name] = definition;
  return properties.schema;
}
