// Lets Node load the objects: what they import from the platform is the stand-in.

import { registerHooks } from "node:module";

const standIn = new URL("./platform/cloudflare-workers.ts", import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "cloudflare:workers" ? { url: standIn, shortCircuit: true } : next(specifier, context),
});
