// `npm run docs:rules`: writes the tables of docs/rules.md from the table of rules.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withTables } from "../src/rules/rules-page.ts";
import { projectRoot } from "./lib/wrangler.mjs";

const path = join(projectRoot, "docs/rules.md");
writeFileSync(path, withTables(readFileSync(path, "utf8")));
