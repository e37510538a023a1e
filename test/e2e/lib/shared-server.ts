/** One server for all the files that don't kill theirs. */

import type { TestProject } from "vitest/node";
import { LocalServer } from "./server.ts";

declare module "vitest" {
  interface ProvidedContext {
    server: { url: string; state: string };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await LocalServer.start();
  project.provide("server", { url: server.url, state: server.state });
  return () => server.stop();
}
