/**
 * Handles of waits: what it takes to go on waiting, as one text. There is no other record of a wait at the door, so a handle is good for any
 * isolate and after any restart, as long as what it names is there.
 *
 * It is no capability: it names nothing that the bearer could not ask for, and is read again as any request is.
 */

import * as z from "zod";
import { argumentsObject, isToolName } from "../contract/tools.ts";
import { fromBase64url, toBase64url } from "../http/base64url.ts";
import { mcpHandleCharsMax, timeMax } from "../limits.ts";

const prefix = "wait_";

const time = z.int().min(0).max(timeMax);
const id = z.string().min(1).max(100);
/** As our own handles have them: whoever goes on with one reads them as JSON. */
const args = z.string().refine((text) => text.startsWith("{") && argumentsObject(text).ok);
const handle = z.discriminatedUnion("of", [
  /** Until nothing of the run is live. */
  z.strictObject({ of: z.literal("run"), run: id, since: time, until: time.exactOptional() }),
  /** A call that only looks: asking again is the same. `until`: its timeout_ms is over. */
  z.strictObject({ of: z.literal("tasks"), run: id, since: time, until: time.exactOptional(), args }),
  /** A call of a session. `holds`: what it gets is the session's, which outlives the call. */
  z.strictObject({
    of: z.literal("session"),
    run: id,
    since: time,
    tool: z.string().refine(isToolName),
    args,
    actor: id,
    call: id,
    holds: z.boolean(),
    /** The session is the client's own, and was there before. */
    own: z.boolean(),
  }),
  /** A call of the lease that comes with it. */
  z.strictObject({
    of: z.literal("lease"),
    since: time,
    tool: z.string().refine(isToolName),
    args,
    call: id,
  }),
]);

export type Handle = z.output<typeof handle>;
export type HandleOf<Of extends Handle["of"]> = Extract<Handle, { of: Of }>;

const utf8 = new TextEncoder();

/** Undefined for a wait whose arguments are too long to travel. */
export function printHandle(value: Handle): string | undefined {
  const text = prefix + toBase64url(utf8.encode(JSON.stringify(value)));
  return text.length > mcpHandleCharsMax ? undefined : text;
}

/** Undefined for what is no handle. */
export function readHandle(text: string): Handle | undefined {
  if (!text.startsWith(prefix) || text.length > mcpHandleCharsMax) return undefined;
  const bytes = fromBase64url(text.slice(prefix.length));
  if (!bytes) return undefined;
  try {
    return handle.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data;
  } catch {
    return undefined;
  }
}
