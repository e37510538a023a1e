/** A run's log: in pages, or live as server-sent events. */

import { queryInt } from "../contract/paging.ts";
import { eventsPage } from "../contract/responses.ts";
import { eventsQuery } from "../contract/run-requests.ts";
import * as limits from "../limits.ts";
import { validate } from "./body.ts";
import { held, liveEvents, streamOf } from "./live-events.ts";
import { ask, runObject } from "./objects.ts";
import { keyRoute } from "./route.ts";

const seq = queryInt(0, Number.MAX_SAFE_INTEGER);

export const eventRoutes = [
  keyRoute(
    ["runs"],
    {
      method: "GET",
      path: "/v1/runs/:run/events",
      summary: "The log; with `Accept: text/event-stream` it is followed live, and resumes after `Last-Event-ID`",
      query: eventsQuery,
      answer: { status: 200, schema: eventsPage, stream: true },
    },
    async ({ request, env, tenant, params, visit, query: { after, limit, partial } }) => {
      const object = runObject(env, tenant, params.run);
      const read = (from: number, rows: number) => ask(object.events({ after: from, limit: rows, waitMs: 0 }));

      if (request.headers.get("accept")?.includes("text/event-stream")) {
        const resumed = request.headers.get("last-event-id");
        const from = resumed ? validate(seq, resumed) : after;
        // The first page is read before the answer begins, so that what is wrong can still be a problem.
        const follow = (last: number, partials: number, waitMs: number) =>
          ask(object.events({ after: last, limit, waitMs, ...(partial && { partials }) }));
        const first = await follow(from, 0, 0);
        const place = visit.keep();
        const frames = liveEvents(from, first, (last, partials) => follow(last, partials, limits.sseWaitMs));
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
];
