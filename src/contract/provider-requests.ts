/** A tenant's credentials at model providers (contract, DESIGN §4 `/v1/providers`). */

import * as z from "zod";
import { credentialCharsMax, nameCharsMax, toolUrlCharsMax } from "../limits.ts";

export const credentialName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,63}$/, "a credential's name is [a-z][a-z0-9_-]{0,63}");

export const putProviderBody = z
  .strictObject({
    format: z
      .enum(["anthropic", "openai", "mcp"])
      .describe("Of the contexts whose model calls it serves; mcp: it is for an MCP server."),
    key: z
      .string()
      .min(1)
      .max(credentialCharsMax)
      .regex(/^[\x21-\x7e]*$/, "expected printable ASCII without spaces; is there a line break at its end?")
      .describe("The provider's key. It is never shown again, but for its last four characters."),
    base_url: z
      .string()
      .max(toolUrlCharsMax)
      .describe("Where the provider is, if not at the vendor's: https, and no private address, outside local mode.")
      .exactOptional(),
    model: z
      .string()
      .min(1)
      .max(nameCharsMax)
      .describe("Used where neither the task nor the context names one.")
      .exactOptional(),
    default: z
      .boolean()
      .describe("Used by new runs that name no credential. The first of its format is, unless you say otherwise.")
      .exactOptional(),
  })
  .refine(({ format, base_url }) => format !== "mcp" || base_url !== undefined, {
    error: "required for an MCP server: its whole address, the only one that is ever sent the key",
    path: ["base_url"],
    when: ({ issues }) => issues.length === 0,
  });
