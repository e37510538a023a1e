/** The HTTP door, from the table of routes. */

import { type Context, Hono } from "hono";
import { Fault } from "../errors/fault.ts";
import { Door } from "./admission.ts";
import type { AppOptions, HttpEnv } from "./env.ts";
import { onlyHosts, secureHeaders } from "./headers.ts";
import { problemResponse } from "./problem.ts";
import { routes } from "./routes.ts";
import { refusedSocket, toldBySocket } from "./sockets.ts";

export function createApp(options: AppOptions = {}): Hono<{ Bindings: HttpEnv }> {
  const app = new Hono<{ Bindings: HttpEnv }>();

  const door = new Door();

  app.use(secureHeaders);
  if (options.hosts) app.use(onlyHosts(options.hosts));

  for (const route of routes) {
    app.on(route.method, route.path, (c) =>
      route.run({
        ...{ request: c.req.raw, url: new URL(c.req.url), env: c.env, options, params: c.req.param(), door },
        later: (work) => afterAnswer(c, work),
      }),
    );
  }

  // A path that is known, with a method that it does not take.
  for (const [path, allowed] of methodsByPath()) {
    const allow = { allow: allowed.join(", ") };
    app.options(path, () => new Response(null, { status: 204, headers: allow }));
    app.all(path, () => problemResponse(new Fault("method_not_allowed", `it takes ${allow.allow}`), allow));
  }

  app.notFound((c) => problemResponse(new Fault("not_found", `there is no such path; ${hintAbout(c.req.path)}`)));
  app.onError((error, c) =>
    error instanceof Fault && toldBySocket(c.req.raw) ? refusedSocket(error.data) : problemResponse(error),
  );
  return app;
}

/** Most of what is asked for in vain was put together by a script, out of a variable that is empty. */
const hintAbout = (path: string): string =>
  path.includes("//")
    ? "a part of it is empty, between two slashes: is a variable of yours?"
    : "/openapi.json lists them, and none ends in a slash";

/** A request that came without an execution context (a test's) has nobody to keep the work alive; it is begun all the same. */
function afterAnswer(c: Context<{ Bindings: HttpEnv }>, work: Promise<unknown>): void {
  const done = work.catch((error: unknown) => console.warn("left undone", String(error)));
  try {
    c.executionCtx.waitUntil(done);
  } catch {
    // Hono throws where there is none.
  }
}

function methodsByPath(): Map<string, string[]> {
  const methods = new Map<string, string[]>();
  for (const { method, path } of routes) {
    const known = methods.get(path) ?? ["OPTIONS"];
    known.unshift(...(method === "GET" ? ["GET", "HEAD"] : [method]));
    methods.set(path, known);
  }
  return methods;
}
