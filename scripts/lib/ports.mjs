import { createServer } from "node:net";

const tryListen = (port, host) =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ port, host, exclusive: true }, () => {
      const taken = server.address().port;
      server.close(() => resolve(taken));
    });
  });

/** A port of the loopback address that was free a moment ago. */
export const freePort = () => tryListen(0, "127.0.0.1");

/** Whether the port can be listened on now; false also when this user may not. */
export const isFree = (port) =>
  tryListen(port, "127.0.0.1").then(
    () => true,
    () => false,
  );
