import { inject } from "vitest";
import { LocalServer } from "./server.ts";

/** The server that all files share (shared-server.ts); runs are apart, tenants may be. */
export const sharedServer = (): LocalServer => LocalServer.at(inject("server"));
