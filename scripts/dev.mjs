// `npm run dev`: the whole of Heddle on this machine, without an account, a key or a network.
// PORT (default 8787) and HEDDLE_STATE (default .heddle/) override; Ctrl-C stops it. HEDDLE_CONFIG names another configuration:
// the end-to-end tests have one whose sources are bundled once for all of their servers.

import { resolve } from "node:path";
import { startDev } from "./lib/dev-server.mjs";
import { whenStarterEnds } from "./lib/parent.mjs";
import { StopError } from "./lib/stop-error.mjs";
import { projectRoot } from "./lib/wrangler.mjs";

const stopping = new AbortController();
let server;
const stop = () => {
  stopping.abort();
  server?.stop();
};
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, stop);
whenStarterEnds("dev", projectRoot, stop);

try {
  const port = portOf(process.env.PORT);
  const state = process.env.HEDDLE_STATE ? resolve(process.env.HEDDLE_STATE) : resolve(projectRoot, ".heddle");
  const config = process.env.HEDDLE_CONFIG || undefined;
  server = await startDev({ port, state, config, signal: stopping.signal });
  if (stopping.signal.aborted) await server.stop();
  else console.log(`Heddle is ready at ${server.url}   key: ${server.key}   (log: ${server.log}; Ctrl-C stops)`);
  const { expected, reason, tail } = await server.exited;
  if (!expected) {
    console.error(`The server ended by itself (${reason}). The end of ${server.log}:\n${tail}`);
    process.exitCode = 1;
  }
} catch (error) {
  if (!(error instanceof StopError)) throw error;
  if (!stopping.signal.aborted) {
    console.error(error.message);
    process.exitCode = 1;
  }
}

function portOf(text) {
  if (text === undefined || text === "") return 8787;
  if (/^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536) return Number(text);
  throw new StopError(`PORT is "${text}"; it must be a number from 1 to 65535.`);
}
