/** The servers that a file starts serve the worker as it was bundled once. Not set for all: other projects' tests have the same parent. */

import { inject } from "vitest";

process.env.HEDDLE_CONFIG = inject("bundle");
