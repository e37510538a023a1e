import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { problems } from "../../src/errors/codes.ts";
import { openApi } from "../../src/http/openapi.ts";
import { routes } from "../../src/http/routes.ts";

const linter = join(import.meta.dirname, "../../node_modules/@redocly/cli/bin/cli.js");

interface Operation {
  operationId: string;
  parameters: { name: string; in: string; required?: boolean; schema: object }[];
  requestBody?: { content: Record<string, { schema: object }> };
  responses: Record<string, { description: string }>;
}

const text = JSON.stringify(openApi(routes));
const document = JSON.parse(text) as {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

test("describes every route that is not hidden, and no other", () => {
  const declared = routes
    .filter((route) => !route.hidden)
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
  expect(operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`).sort()).toEqual(declared.sort());
});

test("every reference resolves, and every operation has its own id", () => {
  const references = Array.from(text.matchAll(/"\$ref":"([^"]*)"/g), ([, reference]) => reference!);
  expect(references.length).toBeGreaterThan(20);
  for (const reference of references) {
    expect(reference).toMatch(/^#\/components\/schemas\//);
    expect(Object.keys(document.components.schemas)).toContain(reference.split("/").at(-1));
  }
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
});

test("path parameters are declared as the path names them", () => {
  for (const { path, operation } of operations) {
    const named = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name);
    expect(operation.parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name)).toEqual(named);
  }
});

test("caps and codes stand where they can occur", () => {
  const create = document.paths["/v1/runs/{run}/tasks"]!.post!;
  expect(create.responses["413"]!.description).toContain("instructions_too_large");
  expect(create.responses["409"]!.description).toContain(problems.run_ended.title);
  expect(create.requestBody!.content["application/json"]!.schema).toMatchObject({
    properties: { tasks: { maxItems: 1000, items: { $ref: "#/components/schemas/TaskSpec" } } },
    additionalProperties: false,
  });
  const list = document.paths["/v1/runs"]!.get!;
  expect(list.parameters).toContainEqual({
    name: "limit",
    in: "query",
    description: "Rows of the page.",
    schema: { default: 100, type: "integer", minimum: 1, maximum: 1000 },
  });
});

test("an answer that a query can ask for in another form is described in that form as well", () => {
  const types: Record<string, string> = { csv: "text/csv", jsonl: "application/x-ndjson" };
  const told: string[] = [];
  for (const { path, method, operation } of operations) {
    const format = operation.parameters.find(({ name, in: place }) => name === "format" && place === "query");
    const { enum: forms = [] } = (format?.schema ?? {}) as { enum?: readonly string[] };
    const others = forms.map((form) => types[form]).filter((type) => type !== undefined);
    if (others.length === 0) continue;
    const { content } = operation.responses["200"] as unknown as { content: Record<string, object> };
    expect(Object.keys(content), `${method} ${path}`).toEqual(["application/json", ...others]);
    told.push(path);
  }
  expect(told.sort()).toEqual([
    "/admin/billing/events",
    "/admin/tenants/{tenant}/usage",
    "/admin/usage",
    "/v1/runs/{run}/trace",
    "/v1/usage",
  ]);
});

test("a run that begins from another tells that it may not be there", () => {
  expect(document.paths["/v1/runs"]!.post!.responses["404"]!.description).toContain("not_found");
});

test("a POST says whether its Idempotency-Key has an effect, and no other code tells of keys", () => {
  const withoutEffect: string[] = [];
  for (const { path, method, operation } of operations) {
    const key = operation.parameters.find(({ name }) => name === "Idempotency-Key") as
      | { description?: string }
      | undefined;
    expect(key !== undefined, `${method} ${path}`).toBe(method === "post");
    const isKept = key !== undefined && /first answer/.test(key.description!);
    expect(/idempotency_mismatch/.test(operation.responses["422"]?.description ?? ""), `${method} ${path}`).toBe(
      isKept,
    );
    if (key && !isKept) withoutEffect.push(path);
  }
  expect(withoutEffect.sort()).toEqual([
    "/admin/billing/push",
    "/admin/billing/retry",
    "/admin/providers/reseal",
    "/v1/leases/{lease}/renew",
    "/v1/rules/check",
    "/v1/runs/import/{import}",
    "/v1/runs/{run}/actors/{actor}/renew",
    "/v1/runs/{run}/events/ticket",
    "/v1/runs/{run}/rules/try",
    "/v1/runs/{run}/wait",
    "/v1/runs/{run}/webhook/test",
  ]);
});

test("whoever is refused for now is told by a header when to come back", () => {
  const { responses } = document.paths["/v1/runs/{run}/tasks"]!.post! as unknown as {
    responses: Record<string, { description: string; headers?: object }>;
  };
  expect(responses["429"]).toMatchObject({ headers: { "Retry-After": { schema: { type: "integer" } } } });
  expect(responses["503"]).toMatchObject({ headers: { "Retry-After": { schema: { type: "integer" } } } });
  expect(responses["503"]!.description).toContain("overloaded");
  expect(responses["422"]!.headers).toBeUndefined();
});

test("a strict reader of OpenAPI finds nothing wrong with it", () => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
  try {
    writeFileSync(join(folder, "openapi.json"), text);
    // One rule is off: /v1/runs/import/:import stands beside /v1/runs/:run/…, and no run's id is "import".
    writeFileSync(
      join(folder, "redocly.yaml"),
      "extends: [recommended]\nrules:\n  no-ambiguous-paths: off\n  operation-4xx-response: off\n",
    );
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [linter, "lint", "openapi.json", "--config", "redocly.yaml", "--max-problems", "20"],
      {
        cwd: folder,
        encoding: "utf8",
        // It is not to ask anybody anything.
        env: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
      },
    );
    expect({ status, stdout, stderr }).toMatchObject({ status: 0 });
    expect(stdout + stderr).not.toMatch(/warning/i);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
