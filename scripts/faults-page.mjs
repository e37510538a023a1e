// `npm run docs:faults`: writes docs/faults.md from the table of faults.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { faultsPage } from "../src/errors/faults-page.ts";
import { projectRoot } from "./lib/wrangler.mjs";

writeFileSync(join(projectRoot, "docs/faults.md"), faultsPage());
