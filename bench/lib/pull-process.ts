/** A pull worker in a process of its own, to be killed: node pull-process.ts URL KEY POOL LANES LOG_URL. */

import { Heddle } from "../../src/client/index.ts";
import { pullWork } from "./pull-worker.ts";

const [url, key, pool, lanes, log] = process.argv.slice(2) as [string, string, string, string, string];

pullWork({
  heddle: new Heddle({ url, key }),
  pool,
  worker: `process-${process.pid}`,
  lanes: Number(lanes),
  ended: (id) => fetch(`${log}?id=${id}`, { method: "POST" }),
});
