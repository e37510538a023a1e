/** What a key may do, and what answers behind it: for whoever sets up a client (`heddle doctor`). */

import { scopes } from "../contract/admin-requests.ts";
import type { AboutView } from "../contract/shapes.ts";
import { aboutView } from "../contract/tenant-responses.ts";
import { defaultCredentials } from "../storage/d1/credentials.ts";
import { version } from "../version.ts";
import { holderOf } from "./access.ts";
import type { HttpEnv } from "./env.ts";
import type { Route } from "./route.ts";

export const aboutRoute: Route = {
  method: "GET",
  path: "/v1/about",
  summary: "The key's scopes, the server's version and clock, and which models answer",
  access: { kind: "key", scopes },
  answer: { status: 200, schema: aboutView },
  run: async (exchange) => {
    const { env, options } = exchange;
    const holder = await holderOf(exchange, scopes);
    const about: AboutView = {
      version,
      at: Date.now(),
      tenant: holder.tenant,
      scopes: [...holder.scopes],
      models: {
        ...(options.models?.(env) ?? { anthropic: "none", openai: "none" }),
        ...(await ownModels(env, holder.tenant)),
      },
    };
    return Response.json(about);
  },
};

/** Formats for which the tenant's new runs use a credential of its own. */
async function ownModels({ DB }: HttpEnv, tenant: string): Promise<Partial<AboutView["models"]>> {
  const own = await defaultCredentials(DB, tenant);
  return Object.fromEntries(own.map(({ format }) => [format, "provider" as const]));
}
