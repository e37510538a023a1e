// `npm run dev`: the whole of Heddle on this machine, without an account, a key or a network (lib/dev-settings.mjs). Ctrl-C stops
// it. HEDDLE_CONFIG names another configuration: the end-to-end tests have one whose sources are bundled once for all of their servers.

import { startDev } from "./lib/dev-server.mjs";
import { devHelp, devSettings } from "./lib/dev-settings.mjs";
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

try {
  const settings = devSettings(process.argv.slice(2), process.env);
  if (settings) await serve(settings);
  else process.stdout.write(devHelp);
} catch (error) {
  if (!(error instanceof StopError)) throw error;
  if (!stopping.signal.aborted) {
    console.error(error.message);
    process.exitCode = 1;
  }
}

async function serve(settings) {
  whenStarterEnds("dev", projectRoot, stop);
  server = await startDev({ ...settings, signal: stopping.signal });
  if (stopping.signal.aborted) await server.stop();
  else console.log(`Heddle is ready at ${server.url}   key: ${server.key}   (log: ${server.log}; Ctrl-C stops)`);
  const { expected, reason, tail } = await server.exited;
  if (expected) return;
  console.error(`The server ended by itself (${reason}). The end of ${server.log}:\n${tail}`);
  process.exitCode = 1;
}
