// Lets Node load the objects: what they import from the platform is the stand-in, and some limits are small.

import { registerHooks } from "node:module";

const here = (path) => new URL(path, import.meta.url).href;
const standIn = here("./platform/cloudflare-workers.ts");
const limits = here("../../../src/limits.ts");
const ours = here("./limits.ts");

registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier === "cloudflare:workers") return { url: standIn, shortCircuit: true };
    const found = next(specifier, context);
    return found.url === limits && context.parentURL !== ours ? { ...found, url: ours } : found;
  },
});
