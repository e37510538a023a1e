/** Requests about actor sessions. */

import * as z from "zod";
import * as limits from "../limits.ts";

export const openActorBody = z.strictObject({
  name: z.string().min(1).max(limits.nameCharsMax).describe("Shown where the session holds something.").exactOptional(),
  ttl_ms: z
    .int()
    .min(limits.actorTtlMsMin)
    .max(limits.actorTtlMsMax)
    .describe("The session ends so long after its last call or renewal.")
    .default(limits.actorTtlMsDefault),
});
