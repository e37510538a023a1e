/** Pages for people: what answers at this address, the API's reference, and what a problem's `type` points at. */

import { type ProblemCode, problems } from "../errors/codes.ts";
import { Fault } from "../errors/fault.ts";
import type { ApiDocument } from "./reference/document.ts";
import { stylesheet } from "./reference/layout.ts";
import { problemPage, referencePage } from "./reference/page.ts";
import type { Markup } from "./reference/schema.ts";
import { publicRoute, type Route } from "./route.ts";

const hello = `Heddle: POSIX threads for LLM agents.

An agent hands over work with create_task; each task runs on a copy of that agent's context; a scheduler places
tasks on workers without the agent's involvement.

  /reference      the HTTP API, to read
  /openapi.json   the same, for programs
  /v1/tools       the agent tools, ready to paste into a request (with a key)
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
      summary: "What a problem's code means: a page for browsers, text for others",
      answer: { status: 200, contentType: "text/plain" },
    },
    ({ request, params }) => {
      const code = params.code ?? "";
      if (!Object.hasOwn(problems, code)) throw new Fault("not_found", "there is no such code");
      if (request.headers.get("accept")?.includes("text/html"))
        return page(problemPage(code as ProblemCode, openApi() as ApiDocument));
      const { status, title, hint } = problems[code as ProblemCode];
      return text(`${code} (${status}): ${title}.\n\n${hint}\n`);
    },
  ),
];
