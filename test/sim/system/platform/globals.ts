/** Clock, timers and chance of the runtime, replaced for the time of a world. */

import { createHash } from "node:crypto";
import type { Random } from "../../random.ts";
import { current, type Process } from "./process.ts";
import type { Entry, Timeline } from "./timeline.ts";

type Work = (...args: unknown[]) => void;

interface Timer {
  readonly owner: Process;
  entry: Entry;
}

const real = {
  now: Date.now,
  random: Math.random,
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  crypto: Object.getOwnPropertyDescriptor(globalThis, "crypto")!,
  error: console.error,
  warn: console.warn,
};

/** Resolves when everything that can go on without virtual time has. */
export const drained = (): Promise<void> => new Promise((resolve) => real.setImmediate(resolve));

/** Until the answer is called, all code of this thread lives in the timeline's time and in `random`'s chance. */
export function replaceGlobals(timeline: Timeline, random: Random, error: (...what: unknown[]) => void): () => void {
  const timer = (work: Work, ms: number, args: unknown[], again: boolean): Timer => {
    const owner = current();
    const plan = (): Entry => {
      owner.timers++;
      return timeline.plan(Math.max(1, ms), `timer of ${owner.name}`, () => {
        owner.timers--;
        if (!owner.isAlive) return;
        if (again) handle.entry = plan();
        owner.run(() => work(...args));
      });
    };
    const handle: Timer = { owner, entry: plan() };
    return handle;
  };
  const clear = (handle: Timer | undefined) => {
    if (!handle || handle.entry.over) return;
    handle.entry.over = true;
    handle.owner.timers--;
  };
  const hex = (length: number) => Array.from({ length }, () => random.int(0, 15).toString(16)).join("");
  const chance = {
    getRandomValues: (array: Uint8Array) => {
      for (const i of array.keys()) array[i] = random.int(0, 255);
      return array;
    },
    randomUUID: () => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`,
    subtle: {
      // The runtime's own works in threads, whose answers come when they like.
      digest: async (_: string, data: Uint8Array) => {
        const digest = createHash("sha256").update(data).digest();
        return digest.buffer.slice(digest.byteOffset, digest.byteOffset + digest.byteLength);
      },
    },
  };
  Date.now = () => timeline.now + current().clockAhead;
  Math.random = () => random.next();
  globalThis.setTimeout = ((work: Work, ms = 0, ...args: unknown[]) => timer(work, ms, args, false)) as never;
  globalThis.setInterval = ((work: Work, ms = 0, ...args: unknown[]) => timer(work, ms, args, true)) as never;
  globalThis.clearTimeout = clear as never;
  globalThis.clearInterval = clear as never;
  Object.defineProperty(globalThis, "crypto", { value: chance, configurable: true });
  console.error = error;
  console.warn = error;
  return () => {
    Date.now = real.now;
    Math.random = real.random;
    globalThis.setTimeout = real.setTimeout;
    globalThis.setInterval = real.setInterval;
    globalThis.clearTimeout = real.clearTimeout;
    globalThis.clearInterval = real.clearInterval;
    Object.defineProperty(globalThis, "crypto", real.crypto);
    console.error = real.error;
    console.warn = real.warn;
  };
}
