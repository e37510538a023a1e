/** TaskSpec (contract, DESIGN §4): what a caller says about one task, after validation. */

import * as z from "zod";
import type { MessageText } from "../context/types.ts";
import { isSnapshotHash, keyPattern } from "../ids.ts";
import * as limits from "../limits.ts";

const reference = z.string().min(1).max(64).describe("A task's id, or its key.");
const pool = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, "a pool's name is [a-z][a-z0-9_-]{0,63}");

export const snapshotHash = z.string().refine(isSnapshotHash, "a snapshot is 32 hex characters");

export const forkSchema = z
  .union([
    z.enum(["full", "auto", "none"]),
    z.strictObject({ snapshot: snapshotHash }),
    z.strictObject({ last: z.int().min(1).max(limits.lastTurnsMax) }),
  ])
  .describe("Which part of the context the task gets: full (default), a snapshot, the last n turns, or none.");

export const labelsSchema = z
  .record(z.string().min(1).max(limits.labelCharsMax), z.string().max(limits.labelCharsMax))
  .refine((labels) => Object.keys(labels).length <= limits.labelsMax, `at most ${limits.labelsMax} labels`);

export const taskSpecSchema = z.strictObject({
  key: z.string().regex(keyPattern, "a key is [a-z][a-z0-9_-]{0,63}").optional(),
  title: z.string().min(1).max(limits.nameCharsMax).optional(),
  instructions: z.string().min(1),
  /** Text, or provider-native messages. */
  context: z.union([z.string(), z.array(z.record(z.string(), z.unknown()))]).optional(),
  fork: forkSchema.optional(),
  after: z.array(reference).max(limits.afterMax).optional(),
  on_dependency_failure: z.enum(["skip", "run"]).optional(),
  priority: z.int().min(0).max(9).optional(),
  pool: pool.optional(),
  model: z.string().min(1).max(limits.nameCharsMax).optional(),
  max_turns: z.int().min(1).max(limits.maxTurnsMax).optional(),
  max_tokens: z.int().min(1).optional(),
  timeout_ms: z.int().min(1).max(limits.runTimeoutMsMax).optional(),
  retries: z
    .strictObject({
      limit: z.int().min(0).max(limits.retriesMax).optional(),
      backoff_ms: z.int().min(0).max(limits.backoffMsMax).optional(),
    })
    .optional(),
  output_schema: z.record(z.string(), z.unknown()).optional(),
  detached: z.boolean().optional(),
  labels: labelsSchema.optional(),
});

type Parsed = z.infer<typeof taskSpecSchema>;

/** A validated TaskSpec; `context` messages are the texts received (the HTTP and tool doors slice them out). */
export type TaskSpec = Omit<Parsed, "context"> & { context?: string | { messages: MessageText[] } };

export const poolName = pool;
export const taskReference = reference;
