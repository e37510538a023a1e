/**
 * Headers of every answer.
 *
 * There is no CORS: pages of other origins can't read answers, nor send a key or JSON at all, since their preflight gets no
 * permission. Keys belong on servers; and a machine that runs a local Heddle with its well-known key must not obey every
 * page that its owner visits.
 */

import type { MiddlewareHandler } from "hono";
import { Fault } from "../errors/fault.ts";
import { problemResponse } from "./problem.ts";

const headers = {
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
};

export const secureHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value);
};

/**
 * Refuses requests under other host names, and those of pages that were loaded under others: a development server may take
 * the host's name from a header of the request, but no page can set its own `origin`.
 */
export const onlyHosts =
  (hosts: readonly string[]): MiddlewareHandler =>
  async (c, next) => {
    const origin = c.req.header("origin");
    const names = [hostOf(c.req.url), ...(origin === undefined ? [] : [hostOf(origin)])];
    if (names.every((name) => name !== undefined && hosts.includes(name))) return next();
    return problemResponse(
      new Fault(
        "foreign_origin",
        `this server answers to ${hosts.join(", ")} only, not to other host names or their pages`,
      ),
    );
  };

const hostOf = (url: string): string | undefined => (URL.canParse(url) ? new URL(url).hostname : undefined);
