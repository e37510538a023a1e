/** One tool call's surroundings: who called, whether it still listens, and how it can be told that it has to wait. */

import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  ProtocolError,
  ProtocolErrorCode,
} from "@modelcontextprotocol/server";
import { idempotencyKeyExpected, isIdempotencyKey, mcpKeyMember } from "../contract/idempotency-keys.ts";
import { mcpClientNameCharsMax } from "../limits.ts";

export interface Turn {
  /** Resolves when the client no longer listens. */
  readonly gone: Promise<void>;
  /** What it calls itself. */
  readonly client: string;
  /** It takes a durable task in place of an answer (SEP-2663). */
  readonly tasks: boolean;
  /** Its user can be asked by a form. */
  readonly elicits: boolean;
  readonly progress?: (progress: number, message: string) => Promise<void>;
  /** Names the call, so that its repeats find what it began: as `Idempotency-Key` does over HTTP. */
  readonly key?: string;
}

export const tasksExtension = "io.modelcontextprotocol/tasks";

/** The name that the client gave its call. @throws ProtocolError for what is none */
export function keyOf(meta: Readonly<Record<string, unknown>> = {}): string | undefined {
  const key = meta[mcpKeyMember];
  if (key === undefined || isIdempotencyKey(key)) return key;
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, `_meta: ${mcpKeyMember}: ${idempotencyKeyExpected}`);
}

/** What the envelope of a request says of its client; those of 2025 say it once, in a message that is long gone. */
export function clientOf(envelope: unknown): Pick<Turn, "tasks" | "elicits"> & { readonly name: string } {
  const meta = (envelope ?? {}) as Record<string, unknown>;
  const { name } = (meta[CLIENT_INFO_META_KEY] ?? {}) as { name?: unknown };
  const { extensions, elicitation } = (meta[CLIENT_CAPABILITIES_META_KEY] ?? {}) as {
    extensions?: object;
    elicitation?: object;
  };
  return {
    name: typeof name === "string" && name.isWellFormed() ? name.slice(0, mcpClientNameCharsMax) : "",
    tasks: typeof extensions === "object" && extensions !== null && Object.hasOwn(extensions, tasksExtension),
    elicits: takesForms(elicitation),
  };
}

/** Whoever names no mode takes forms: there was no other when the capability came to be. */
const takesForms = (elicitation: unknown): boolean =>
  typeof elicitation === "object" &&
  elicitation !== null &&
  (Object.hasOwn(elicitation, "form") || Object.keys(elicitation).length === 0);
