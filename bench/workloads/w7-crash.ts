/** W7: `kill -9` a second into W1, of the server or of the worker; all results must come, each once. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { ExecLog } from "../lib/exec-log.ts";
import { fanOut, timers } from "../lib/fan-out.ts";
import { type Measure, most, type Outcome } from "../lib/measure.ts";
import type { Bench, Workload } from "./workload.ts";

const seats = 16;
const ms = 50;
const killAfterMs = 1000;
const pool = "bench";

const sleep = (wait: number) => new Promise((resolve) => setTimeout(resolve, wait));

/** `fanOut` throws when a result is missing: `lost` is 0 in every outcome that is reported. */
function outcome(victim: string, tasks: number, wallMs: number, log: ExecLog, restartedAt: number): Outcome {
  const recover = (log.firstEndAfter(restartedAt) ?? Number.NaN) - restartedAt;
  const measures: Measure[] = [
    { name: "all of it", value: wallMs / 1000, unit: "s", peer: 4.4 },
    { name: "lost", value: tasks - new Set(log.ends.map(({ id }) => id)).size, unit: "", target: most(0), peer: 0 },
    { name: "ends of bodies beyond the first", value: log.doubled, unit: "", peer: 0 },
    { name: "from restart to the first end", value: recover / 1000, unit: "s" },
  ];
  return { workload: `W7 ${victim} killed, ${ms} ms ×${tasks}`, measures, details: { wallMs, ends: log.ends.length } };
}

async function server({ server, quick }: Bench): Promise<Outcome[]> {
  const log = await ExecLog.open();
  let restart: Promise<number> | undefined;
  try {
    const tasks = quick ? 400 : 1000;
    const during = () => {
      restart = sleep(killAfterMs).then(() => server.killAndRestart());
    };
    const { wallMs } = await fanOut(server, seats, timers(tasks, ms, ` ${log.url}`), { during });
    return [outcome("server", tasks, wallMs, log, (await restart) ?? Number.NaN)];
  } finally {
    // A server that is still starting would be left behind.
    await restart?.catch(() => undefined);
    await log.close();
  }
}

async function worker({ server, quick }: Bench): Promise<Outcome[]> {
  const log = await ExecLog.open();
  let process = start();
  function start(): ChildProcess {
    const script = join(import.meta.dirname, "../lib/pull-process.ts");
    const words = [server.url, "hdl_local", pool, String(seats), log.url];
    return spawn(globalThis.process.execPath, [script, ...words], { stdio: "inherit" });
  }
  async function kill(): Promise<void> {
    process.kill("SIGKILL");
    await once(process, "exit");
  }
  try {
    const tasks = quick ? 400 : 1000;
    let restart: Promise<number> | undefined;
    const during = () => {
      restart = sleep(killAfterMs).then(async () => {
        await kill();
        const restartedAt = performance.now();
        process = start();
        return restartedAt;
      });
    };
    const specs = timers(tasks, ms).map((spec) => ({ ...spec, pool }));
    await fanOut(server, 4 * seats, specs.slice(0, seats));
    log.ends.length = 0;
    const { wallMs } = await fanOut(server, 4 * seats, specs, { during });
    return [outcome("worker", tasks, wallMs, log, (await restart) ?? Number.NaN)];
  } finally {
    await kill();
    await log.close();
  }
}

export const crashes: readonly Workload[] = [
  { name: "W7.server", run: server },
  { name: "W7.worker", run: worker },
];
