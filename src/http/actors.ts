/** Actor sessions: an agent outside that holds and waits, and that can't hold for ever. */

import { openActorBody } from "../contract/actor-requests.ts";
import { pageQuery } from "../contract/paging.ts";
import { actorsPage, actorView } from "../contract/responses.ts";
import { ask } from "./objects.ts";
import { keyRoute } from "./route.ts";

const scopes = ["runs"] as const;
const actor = { status: 200, schema: actorView } as const;

export const actorRoutes = [
  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/actors",
      summary: "Open a session that may hold locks and permits, and wait, from outside any task",
      body: openActorBody,
      answer: { status: 201, schema: actorView },
      problems: ["run_ended", "limit_actors"],
    },
    ({ theRun, body, idem }) => {
      const input = { ttlMs: body.ttl_ms, ...(body.name !== undefined && { name: body.name }) };
      return ask(theRun().openActor(input, idem));
    },
  ),

  keyRoute(
    scopes,
    {
      method: "GET",
      path: "/v1/runs/:run/actors",
      summary: "List the live sessions, oldest first",
      query: pageQuery,
      answer: { status: 200, schema: actorsPage },
    },
    async ({ theRun, query }) => {
      const { rows, nextCursor } = await ask(theRun().actors(query));
      return { actors: rows, next_cursor: nextCursor };
    },
  ),

  keyRoute(
    scopes,
    {
      method: "GET",
      path: "/v1/runs/:run/actors/:actor",
      summary: "A live session: what it holds and waits for, and until when it lasts",
      answer: actor,
    },
    ({ theRun, params }) => ask(theRun().actor(params.actor)),
  ),

  keyRoute(
    scopes,
    {
      method: "POST",
      path: "/v1/runs/:run/actors/:actor/renew",
      anew: true,
      summary: "Keep a session for its ttl_ms from now; each of its calls does so too",
      answer: actor,
    },
    ({ theRun, params }) => ask(theRun().renewActor(params.actor)),
  ),

  keyRoute(
    scopes,
    {
      method: "DELETE",
      path: "/v1/runs/:run/actors/:actor",
      summary: "End a session: what it holds is released, and its waits end",
      answer: { status: 204 },
    },
    async ({ theRun, params }) => {
      await ask(theRun().closeActor(params.actor));
      return undefined;
    },
  ),
];
