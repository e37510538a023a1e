/** Pages for people: what answers at this address, the API's reference, and what a problem's `type` points at. */

import { sectionsOf } from "../errors/code-sections.ts";
import { Fault } from "../errors/fault.ts";
import type { ApiDocument } from "./reference/document.ts";
import { stylesheet } from "./reference/layout.ts";
import { codePage, referencePage } from "./reference/page.ts";
import type { Markup } from "./reference/schema.ts";
import { publicRoute, type Route } from "./route.ts";

const hello = `Heddle: POSIX threads for LLM agents.

An agent hands over work with create_task; each task runs on a copy of that agent's context; a scheduler places
tasks on workers without the agent's involvement.

  /reference      the HTTP API, to read
  /openapi.json   the same, for programs
  /v1/tools       the agent tools, ready to paste into a request (with a key)
  /mcp            the same for clients of MCP (with a key)
  /health         whether this deployment is ready to serve
`;

const text = (content: string): Response =>
  new Response(content, { headers: { "content-type": "text/plain; charset=utf-8" } });

const page = async (content: Markup): Promise<Response> =>
  new Response(`${await content}`, { headers: { "content-type": "text/html; charset=utf-8" } });

/** `openApi` makes the document of /openapi.json. */
export const pageRoutes = (openApi: () => unknown): readonly Route[] => [
  publicRoute(
    { method: "GET", path: "/", summary: "What this is", answer: { status: 200, contentType: "text/plain" } },
    () => text(hello),
  ),
  publicRoute(
    {
      method: "GET",
      path: "/reference",
      summary: "This API, to read",
      answer: { status: 200, contentType: "text/html" },
    },
    () => page(referencePage(openApi() as ApiDocument)),
  ),
  publicRoute(
    { method: "GET", path: "/reference.css", summary: "Its style", answer: { status: 200 }, hidden: true },
    () => new Response(stylesheet, { headers: { "content-type": "text/css; charset=utf-8" } }),
  ),
  publicRoute(
    {
      method: "GET",
      path: "/problems/:code",
      summary:
        "What a code means, of a problem, a task's error or a tool's answer: a page for browsers, text for others",
      answer: { status: 200, contentType: "text/plain" },
    },
    ({ request, params }) => {
      const code = params.code ?? "";
      const sections = sectionsOf(code);
      if (sections.length === 0) throw new Fault("not_found", "there is no such code");
      if (request.headers.get("accept")?.includes("text/html"))
        return page(codePage(code, sections, openApi() as ApiDocument));
      return text(sections.map((one) => `${one.heading}: ${one.text.join("\n\n")}\n`).join("\n"));
    },
  ),
];
