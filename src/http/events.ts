/** A run's log: in pages, or live as server-sent events or through a WebSocket. */

import { queryInt } from "../contract/paging.ts";
import { eventsPage, ticketView } from "../contract/responses.ts";
import { eventsQuery, ticketBody } from "../contract/run-requests.ts";
import * as limits from "../limits.ts";
import { validate } from "./body.ts";
import { held, liveEvents, streamOf } from "./live-events.ts";
import { ask, runSocket } from "./objects.ts";
import { keyRoute } from "./route.ts";
import { deploymentSecret } from "./secrets.ts";
import { isUpgrade, switching, toldBySocket } from "./sockets.ts";
import { signTicket } from "./watch-ticket.ts";

const seq = queryInt(0, Number.MAX_SAFE_INTEGER);

export const eventRoutes = [
  keyRoute(
    ["runs"],
    {
      method: "GET",
      path: "/v1/runs/:run/events",
      summary:
        "The log; followed live with `Accept: text/event-stream`, which resumes after `Last-Event-ID`, or as a WebSocket",
      upgrades: true,
      cursorIsSeq: true,
      query: eventsQuery,
      answer: { status: 200, schema: eventsPage, stream: true },
    },
    async ({ theRun, request, env, tenant, params, visit, query: { after: from, cursor = 0, limit, partial } }) => {
      const after = Math.max(from, cursor);
      if (isUpgrade(request)) {
        const socket = await runSocket(env, tenant, params.run, { after, partial });
        return switching(socket, toldBySocket(request));
      }
      const object = theRun();
      const read = (last: number, rows: number) => ask(object.events({ after: last, limit: rows, waitMs: 0 }));

      if (request.headers.get("accept")?.includes("text/event-stream")) {
        const resumed = request.headers.get("last-event-id");
        const begin = resumed ? validate(seq, resumed, "Last-Event-ID") : after;
        // The first page is read before the answer begins, so that what is wrong can still be a problem.
        const follow = (last: number, partials: number, waitMs: number) =>
          ask(object.events({ after: last, limit, waitMs, ...(partial && { partials }) }));
        const first = await follow(begin, 0, 0);
        const place = visit.keep();
        const frames = liveEvents(begin, first, (last, partials) => follow(last, partials, limits.sseWaitMs));
        return new Response(streamOf(held(frames, place)), {
          headers: { "content-type": "text/event-stream; charset=utf-8" },
        });
      }

      const { events } = await read(after, limit);
      const last = events.at(-1)?.seq;
      // A page may end early for its size, so only asking tells whether more follows.
      const more = last !== undefined && (await read(last, 1)).events.length > 0;
      return { events, next_cursor: more ? String(last) : null };
    },
  ),

  keyRoute(
    ["runs"],
    {
      method: "POST",
      path: "/v1/runs/:run/events/ticket",
      anew: true,
      summary: "A ticket with which a page may watch this run through a WebSocket, and nothing else",
      body: ticketBody,
      answer: { status: 201, schema: ticketView },
      problems: ["not_ready"],
    },
    async ({ theRun, env, tenant, params: { run }, body }) => {
      await ask(theRun().run());
      const expiresAt = Date.now() + body.ttl_ms;
      return { ticket: await signTicket(deploymentSecret(env), { tenant, run, expiresAt }), expires_at: expiresAt };
    },
  ),
];
