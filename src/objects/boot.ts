/** Whose life a hosted attempt shares, where seats are opened directly. */

import { base32 } from "../ids.ts";
import type { Env } from "./env.ts";

let isolate: string | undefined;

/**
 * The boot of this runtime: the same for as long as this isolate lives, and never again after it; "" in deployments, where
 * attempts outlive isolates. An object that is evicted and loaded again is still in its boot. A hot reload keeps the
 * launcher and its HEDDLE_BOOT, but not the isolate, nor the seats that ran in it.
 */
export function bootOf({ HEDDLE_BOOT: launcher }: Pick<Env, "HEDDLE_BOOT">): string {
  if (!launcher) return "";
  // Not at the module's top: the platform has no chance there.
  isolate ??= base32(crypto.getRandomValues(new Uint8Array(8)), 8);
  return `${launcher}/${isolate}`;
}
