/** The API's reference as a page: all that /openapi.json says, and no link that leads nowhere. */

import { describe, expect, it, vi } from "vitest";
import { sectionsOf } from "../../src/errors/code-sections.ts";
import { problems, toolHints, workspaceErrorHints } from "../../src/errors/codes.ts";
import { faults } from "../../src/errors/faults.ts";
import { createApp } from "../../src/http/app.ts";
import { openApi } from "../../src/http/openapi.ts";
import { pageRoutes } from "../../src/http/pages.ts";
import type { ApiDocument, Schema } from "../../src/http/reference/document.ts";
import { codePage, referencePage } from "../../src/http/reference/page.ts";
import { fieldsOf, typeOf } from "../../src/http/reference/schema.ts";
import type { Exchange } from "../../src/http/route.ts";
import { routes } from "../../src/http/routes.ts";

const document = JSON.parse(JSON.stringify(openApi(routes))) as ApiDocument;
const page = `${await referencePage(document)}`;
const idsOf = (text: string) => new Set(Array.from(text.matchAll(/ id="([^"]+)"/g), ([, id]) => id!));
const linksOf = (text: string) => Array.from(text.matchAll(/href="([^"]+)"/g), ([, link]) => link!);
const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
const get = (path: string, accept?: string) =>
  createApp({}).request(`http://heddle.test${path}`, accept === undefined ? {} : { headers: { accept } });

describe("the reference", () => {
  it("has every call and every shape, once", () => {
    const ids = Array.from(page.matchAll(/ id="([^"]+)"/g), ([, id]) => id!);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { operationId } of operations) expect(ids).toContain(operationId);
    for (const name of Object.keys(document.components.schemas)) expect(ids).toContain(`schema-${name}`);
  });

  it("is made once, as are the pages of codes: anybody may ask for them, as often as they like", async () => {
    let made = 0;
    const own = pageRoutes(() => {
      made++;
      return document;
    });
    const got = async (path: string, params: Record<string, string> = {}) => {
      const request = new Request("http://heddle.test/", { headers: { accept: "text/html" } });
      const route = own.find((one) => one.path === path)!;
      return (await route.run({ request, params } as unknown as Exchange)).text();
    };
    const all = () => Promise.all([got("/reference"), got("/problems/:code", { code: "run_ended" })]);
    const first = await all();
    expect(await all()).toEqual(first);
    expect(first[0]).toBe(page);
    expect(made).toBe(2);
    // The document itself is made once, too: both are the same text.
    const [one, another] = await Promise.all(
      ["/openapi.json", "/openapi.json"].map(async (path) => (await get(path)).text()),
    );
    expect(one).toBe(another);
    const printed = vi.spyOn(JSON, "stringify");
    await get("/openapi.json");
    expect(printed.mock.results.filter(({ value }) => value === one)).toEqual([]);
    printed.mockRestore();
    expect(JSON.parse(one!)).toEqual(document);
  });

  it("has no link that leads nowhere", () => {
    const ids = idsOf(page);
    const places = new Set(["/", "/openapi.json", "/reference.css"]);
    for (const link of linksOf(page)) {
      if (link.startsWith("#")) expect(ids).toContain(link.slice(1));
      else if (link.startsWith("/problems/")) expect(problems).toHaveProperty(link.slice("/problems/".length));
      else expect(places).toContain(link);
    }
    expect(linksOf(page).length).toBeGreaterThan(500);
  });

  it("names with each call the codes that it can answer", () => {
    for (const { operationId, responses } of operations) {
      const section = page.slice(page.indexOf(`<section id="${operationId}"`)).split("</section>")[0]!;
      const codes = Object.values(responses).flatMap((response) => response["x-problem-codes"] ?? []);
      for (const code of codes) expect(section).toContain(`href="/problems/${code}"`);
    }
  });

  it("is a page that a browser takes: its style is from here, and it runs nothing", async () => {
    const response = await get("/reference");
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("content-security-policy")).toBe(
      "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    );
    expect(await response.text()).toBe(page);
    expect(page).not.toMatch(/<script|<style| style=|\[object|undefined/);
    expect((await get("/reference.css")).headers.get("content-type")).toBe("text/css; charset=utf-8");
  });
});

describe("a schema", () => {
  const shown = (schema: Schema) =>
    `${typeOf(schema)}${fieldsOf(schema)}`.replace(/<[^>]*>|\n/g, " ").replace(/ +/g, " ");

  it.each<[Schema, string]>([
    [{ type: "string", minLength: 1, maxLength: 9 }, "string (1 to 9 characters)"],
    [{ type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER }, "integer (at least 0)"],
    [
      { type: "array", items: { type: "string", pattern: "^a<b" }, maxItems: 3 },
      "list of string (matches ^a&lt;b) (at most 3 items)",
    ],
    [{ anyOf: [{ const: "a" }, { type: "null" }] }, " &quot;a&quot; or null"],
    [{ enum: [1, "x"] }, " 1 or &quot;x&quot; "],
    [{ type: "object", additionalProperties: { type: "number" } }, "map of name to number"],
    [{}, "anything"],
    [{ $ref: "#/components/schemas/Run" }, " Run "],
    [
      { type: "object", properties: { a: { type: "string", default: "<i>", description: "x & y" } } },
      "object a string optional , default &quot;&lt;i&gt;&quot; x &amp; y ",
    ],
    [
      {
        type: "object",
        additionalProperties: { type: "object", properties: { b: { type: "null" } }, required: ["b"] },
      },
      "map of name to object b null ",
    ],
  ])("%j", (schema, text) => expect(shown(schema)).toBe(text));
});

describe("a code's page", () => {
  it("is there for every problem, with what to do and the calls that can answer it, each of which is in the reference", () => {
    const ids = idsOf(page);
    for (const [code, { title, status }] of Object.entries(problems)) {
      const text = `${codePage(code, sectionsOf(code), document)}`;
      expect(text).toContain(
        `<code>${code}</code></h1>\n<h2>${code} (${status})</h2>\n<p>${title.replaceAll("'", "&#39;")}`,
      );
      for (const link of linksOf(text)) if (link.includes("#")) expect(ids).toContain(link.split("#")[1]);
    }
    expect(`${codePage("run_ended", sectionsOf("run_ended"), document)}`).toContain("/reference#postV1RunsRunTasks");
  });

  it("is a page for browsers, and text for whoever asks for nothing else", async () => {
    const browsers = await get("/problems/run_ended", "text/html,application/xhtml+xml,*/*;q=0.8");
    expect(browsers.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const others = await get("/problems/run_ended", "*/*");
    expect(await others.text()).toMatch(/^run_ended \(409\): /);
    expect((await get("/problems/nope", "text/html")).status).toBe(404);
    expect((await get("/problems/__proto__")).status).toBe(404);
  });

  it("is there for codes of tasks' errors and of tool calls, and says what each is where it stands in several", async () => {
    for (const code of [...Object.keys(faults), ...Object.keys(toolHints), ...Object.keys(workspaceErrorHints)])
      expect((await get(`/problems/${code}`)).status).toBe(200);
    const text = async (code: string) => (await get(`/problems/${code}`)).text();
    expect(await text("version_mismatch")).toBe(
      `version_mismatch, in the answer to a tool call: ${toolHints.version_mismatch}\n`,
    );
    expect(await text("provider_auth")).toMatch(
      /^provider_auth, in a task's error or a run's log: .*Then its task is failed\./s,
    );
    expect((await text("no_price")).match(/^no_price[ ,]/gm)).toHaveLength(2);
  });
});
