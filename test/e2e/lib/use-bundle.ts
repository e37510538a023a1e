/**
 * The servers that a file starts serve the worker as it was bundled once, and what is started anew with every command (wrangler,
 * `heddle` from its sources) is compiled once. Not set for all: other projects' tests have the same parent.
 */

import { inject } from "vitest";

const { config, compiled } = inject("bundle");
process.env.HEDDLE_CONFIG = config;
process.env.NODE_COMPILE_CACHE = compiled;
