/** A worker as a process: signals, what is said, and the exit status. */

import { exitStatus } from "../exit-status.ts";
import { onSignals } from "../signals.ts";
import type { WorkReport } from "./report.ts";
import type { Worker } from "./worker.ts";

interface Served {
  /** What a second signal does with what runs, as in "its tasks are retried". */
  readonly onForce: string;
  /** What is ended in good order once the worker is done; a signal meanwhile still counts. */
  readonly close?: () => Promise<void>;
  /** For a process that ends now, without a further turn of its loop. */
  readonly onExit: () => void;
}

/** Works until the worker is done. The first signal stops it in good order, a second one by force, a third at once. */
export async function serve(
  worker: Pick<Worker<{ id: string }>, "work" | "stop" | "kill" | "abandon" | "running">,
  report: WorkReport,
  { onForce, close, onExit }: Served,
): Promise<{ failed: number; forced: boolean }> {
  let signals = 0;
  const stopListening = onSignals(() => {
    signals++;
    if (signals === 1) {
      report.say(
        worker.running > 0
          ? `Stopping; what still runs may finish (${worker.running}). Once more: stop it, and ${onForce}.`
          : "Stopping.",
      );
      worker.stop();
    } else if (signals === 2) worker.kill();
    else {
      worker.abandon();
      process.exit(exitStatus.interrupted);
    }
  });
  process.on("exit", onExit);
  try {
    const { failed } = await worker.work();
    return { failed, forced: signals > 1 };
  } finally {
    await close?.();
    report.close();
    process.off("exit", onExit);
    stopListening();
  }
}
