/**
 * Looking through many files, in a thread of its own: a pattern that takes for ever, or a tree that has no end, ends with the
 * thread, and holds up no other call.
 */

import { URL } from "node:url";
import { Worker } from "node:worker_threads";
import { lookHeapMiBMax, lookMsMax } from "../../../limits.ts";

/** What the thread is asked for. Paths are resolved before. */
export interface LookRequest {
  /** Where to look; a file or a folder. */
  readonly start: string;
  /** The start's own path in the workspace, which stands before what is found; empty for the workspace itself. */
  readonly shown: string;
  /** At most so many lines are found. */
  readonly limit: number;
  readonly glob?: string;
  /** Left out: the files themselves are found. */
  readonly search?: { readonly pattern: string; readonly literal: boolean };
}

export interface FoundLine {
  readonly path: string;
  readonly line?: number;
  readonly text?: string;
}

export type LookMessage =
  | { readonly found: readonly FoundLine[] }
  | { readonly done: { readonly cut: boolean; readonly skipped: number } }
  | { readonly refused: Refused };

interface Refused {
  readonly code: "bad_arguments" | "bad_pattern";
  readonly message: string;
}

export interface Looked {
  readonly found: readonly FoundLine[];
  /** Why there may be more. */
  readonly cut?: "limit" | "time";
  /** Files that are binary or too large to be searched. */
  readonly skipped: number;
  /** The request itself is wrong. */
  readonly refused?: Refused;
}

// The thread's file has the ending that this one has: .ts in the sources, .js in the package.
const threadUrl = new URL(`./look-thread${/\.\w+$/.exec(import.meta.url)![0]}`, import.meta.url);

/** Never takes longer than `lookMsMax`; ends at once when `signal` aborts. */
export async function look(request: LookRequest, signal: AbortSignal): Promise<Looked> {
  const found: FoundLine[] = [];
  const thread = new Worker(threadUrl, {
    workerData: request,
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: lookHeapMiBMax },
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<Looked>((resolve, reject) => {
      const outOfTime = () => resolve({ found, cut: "time", skipped: 0 });
      timer = setTimeout(outOfTime, lookMsMax);
      if (signal.aborted) outOfTime();
      signal.addEventListener("abort", outOfTime, { once: true });
      thread.on("message", (message: LookMessage) => {
        if ("found" in message) found.push(...message.found);
        else if ("refused" in message) resolve({ found, skipped: 0, refused: message.refused });
        else resolve({ found, skipped: message.done.skipped, ...(message.done.cut && { cut: "limit" }) });
      });
      thread.once("error", (error: NodeJS.ErrnoException) =>
        error.code === "ERR_WORKER_OUT_OF_MEMORY" ? outOfTime() : reject(error),
      );
      thread.once("exit", () => resolve({ found, cut: "time", skipped: 0 }));
    });
  } finally {
    clearTimeout(timer);
    await thread.terminate();
  }
}
