/** Pages for people: what answers at this address, and what a problem's `type` points at. */

import { type ProblemCode, problems } from "../errors/codes.ts";
import { Fault } from "../errors/fault.ts";
import { publicRoute } from "./route.ts";

const hello = `Heddle: POSIX threads for LLM agents.

An agent hands over work with create_task; each task runs on a copy of that agent's context; a scheduler places
tasks on workers without the agent's involvement.

  /openapi.json   the HTTP API
  /v1/tools       the agent tools, ready to paste into a request (with a key)
  /health         whether this deployment is ready to serve
`;

const text = (content: string): Response =>
  new Response(content, { headers: { "content-type": "text/plain; charset=utf-8" } });

export const pageRoutes = [
  publicRoute(
    { method: "GET", path: "/", summary: "What this is", answer: { status: 200, contentType: "text/plain" } },
    () => text(hello),
  ),
  publicRoute(
    {
      method: "GET",
      path: "/problems/:code",
      summary: "What a problem's code means",
      answer: { status: 200, contentType: "text/plain" },
    },
    ({ params }) => {
      const code = params.code ?? "";
      if (!Object.hasOwn(problems, code)) throw new Fault("not_found", "there is no such code");
      const { status, title, hint } = problems[code as ProblemCode];
      return text(`${code} (${status}): ${title}.\n\n${hint}\n`);
    },
  ),
];
