import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { sleep } from "./sleep.mjs";

/**
 * Below the ports that systems give to outgoing connections (32768 and up): one of those may be taken by any client's
 * connection while our server restarts, even by one that was just trying to reach it.
 */
const lowest = 20_000;
const highest = 32_000;
const attempts = 100;
/** A killed process lets go of its port a moment after it is gone. */
const releaseMs = 3000;
const lookEveryMs = 100;

const tryListen = (port, host) =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ port, host, exclusive: true }, () => {
      const taken = server.address().port;
      server.close(() => resolve(taken));
    });
  });

/** A port of the loopback address that was free a moment ago, and that no outgoing connection will be given. */
export async function freePort() {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = randomInt(lowest, highest);
    if (await isFree(port)) return port;
  }
  return await tryListen(0, "127.0.0.1");
}

/** Whether the port can be listened on, now or in the next 3 s; false also when this user may not. */
export async function becomesFree(port) {
  for (const deadline = Date.now() + releaseMs; ; await sleep(lookEveryMs)) {
    if (await isFree(port)) return true;
    if (Date.now() > deadline) return false;
  }
}

const isFree = (port) =>
  tryListen(port, "127.0.0.1").then(
    () => true,
    () => false,
  );
