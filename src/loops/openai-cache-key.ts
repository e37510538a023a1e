/** The key by which a loop and its forks share a prompt cache. */

import type { Heddle, Run } from "../client/index.ts";
import { randomKey } from "../client/random-key.ts";

/** A new one; of a run that there is, whose head is `head`, the one that its forks have, where they have one. */
export async function cacheKeyOf(heddle: Heddle, run: Run | undefined, head = ""): Promise<string> {
  if (!run) return randomKey();
  // No messages follow it on itself: what is wanted is the context's head alone.
  const { params } = await heddle.snapshot(run.id, head, { after: head });
  const key = params?.prompt_cache_key;
  return typeof key === "string" ? key : randomKey();
}
