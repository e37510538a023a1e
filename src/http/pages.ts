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

const page = (content: string): Response =>
  new Response(content, { headers: { "content-type": "text/html; charset=utf-8" } });

/**
 * Each page is made once: they are anybody's, and ask for no room at the door.
 *
 * @param openApi gives the document of /openapi.json
 */
export function pageRoutes(openApi: () => unknown): readonly Route[] {
  const pages = new Map<string, string>();
  const madeOnce = async (name: string, make: (document: ApiDocument) => Markup): Promise<string> => {
    const known = pages.get(name);
    if (known !== undefined) return known;
    // The text is kept, and not its promise: one belongs to the request that it was made in.
    const made = `${await make(openApi() as ApiDocument)}`;
    pages.set(name, made);
    return made;
  };
  return [
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
      async () => page(await madeOnce("/reference", referencePage)),
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
      async ({ request, params }) => {
        const code = params.code ?? "";
        const sections = sectionsOf(code);
        if (sections.length === 0) throw new Fault("not_found", "there is no such code");
        if (request.headers.get("accept")?.includes("text/html"))
          return page(await madeOnce(code, (document) => codePage(code, sections, document)));
        return text(sections.map((one) => `${one.heading}: ${one.text.join("\n\n")}\n`).join("\n"));
      },
    ),
  ];
}
