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
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
};

export const secureHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value);
};

/** Refuses requests under other host names. */
export const onlyHosts =
  (hosts: readonly string[]): MiddlewareHandler =>
  async (c, next) => {
    if (hosts.includes(new URL(c.req.url).hostname)) return next();
    return problemResponse(
      new Fault("forbidden", `this server answers to ${hosts.join(", ")} only, not to other host names`),
    );
  };
